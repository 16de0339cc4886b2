"""Generates cases for the filter language, with the answers that the model in filter_language.py gives.

A test inserts the rows of a case, sends each filter, and compares the keys that come back with the expected ones:

    schema, rows, filters = generate_case(seed)
    for text, templates, expected in filters:
        ...  # query(filter=text, filter_params=templates) must give exactly the keys `expected`

Everything depends on the seed only.
"""

import json
import random

from filter_language import (FLOAT_TYPES, INT64_MAX, INT_TYPES, ArrayLength, Binary, Bool, Compare, Constant, Contains,
                             Element, Exists, Field, FieldSpec, In, IsNull, JsonPath, Like, Logical, Not, Range, Regex,
                             Renderer, SchemaSpec, Unary, in_range, is_int, kind)

DYNAMIC_KEYS = ("color", "size", "extra", "tags")

WORDS = ("", "a", "b", "ab", "ba", "abc", "aab", "apple", "Apple", "banana", "50%", "a_b", "a%b", "back\\slash", "it's",
         'say "hi"', "caf\u00e9", "\u65e5\u672c", "\U0001f600!", "line\nbreak", "x y")


class CaseGenerator:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.schema = self.make_schema()
        self.rows = []

    # Schema and rows

    def make_schema(self):
        rng = self.rng
        key_type = rng.choice(("INT64", "INT64", "VARCHAR"))
        fields = [FieldSpec("pk", key_type, is_primary=True)]
        scalar = ["BOOL", *INT_TYPES, *FLOAT_TYPES, "VARCHAR"]
        for type_name in scalar:
            for i in range(rng.choice((1, 1, 2))):
                fields.append(FieldSpec(f"{type_name.lower()}_{i}", type_name, nullable=rng.random() < 0.6))
        fields.append(FieldSpec("doc", "JSON", nullable=rng.random() < 0.5))
        for element in rng.sample(scalar, 4):
            fields.append(FieldSpec(f"arr_{element.lower()}", "ARRAY", nullable=rng.random() < 0.5,
                                    element_type=element))
        return SchemaSpec(fields, enable_dynamic_field=rng.random() < 0.7)

    def make_rows(self, count):
        for i in range(count):
            row = {}
            for spec in self.schema.fields:
                row[spec.name] = self.key(spec, i) if spec.is_primary else self.cell(spec)
            if self.schema.enable_dynamic_field:
                for name in DYNAMIC_KEYS:
                    if self.rng.random() < 0.6:
                        row[name] = self.json_value(2)
            self.rows.append(row)

    def key(self, spec, i):
        if spec.type == "VARCHAR":
            return f"{self.rng.choice(WORDS)}#{i}"
        return i * 3 - 30 if self.rng.random() < 0.9 else INT64_MAX - i

    def cell(self, spec):
        if spec.nullable and self.rng.random() < 0.25:
            return None
        if spec.type == "JSON":
            return {key: self.json_value(3) for key in ("a", "b", "c", "n") if self.rng.random() < 0.75}
        if spec.type == "ARRAY":
            return [self.scalar(spec.element_type) for _ in range(self.rng.randrange(5))]
        return self.scalar(spec.type)

    def scalar(self, type_name):
        rng = self.rng
        if type_name == "BOOL":
            return rng.random() < 0.5
        if type_name in INT_TYPES:
            return self.integer(INT_TYPES[type_name])
        if type_name in FLOAT_TYPES:
            limit = 3e38 if type_name == "FLOAT" else 1e308
            return rng.choice((0.0, -0.0, 0.1, 0.5, 1.0, 2.5, -3.75, 1e10, limit, -limit, float(rng.randrange(-9, 10)),
                               rng.uniform(-10, 10)))
        return rng.choice(WORDS)

    def integer(self, bits):
        rng = self.rng
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        if rng.random() < 0.8:
            return rng.randrange(-9, 10)
        return rng.choice((low, high, low + 1, high - 1, rng.randrange(low, high), min(high, 2**53 + 1)))

    def json_value(self, depth):
        rng = self.rng
        choice = rng.randrange(10 if depth > 0 else 7)
        if choice == 0:
            return None
        if choice == 1:
            return rng.random() < 0.5
        if choice <= 3:
            return rng.choice((rng.randrange(-5, 6), rng.randrange(-5, 6), INT64_MAX, 2**53 + 1))
        if choice == 4:
            return rng.choice((0.5, 1.0, -2.0, 1e300, 0.1))
        if choice <= 6:
            return rng.choice(WORDS)
        if choice <= 8:
            return [self.json_value(depth - 1) for _ in range(rng.randrange(4))]
        return {key: self.json_value(depth - 1) for key in ("x", "y") if rng.random() < 0.8}

    # Operands

    def path(self):
        """A JSON path; most lead somewhere in some row."""
        specs = self.schema.of_type("JSON") + ([None] * 2 if self.schema.enable_dynamic_field else [])
        spec = self.rng.choice(specs)
        steps = [self.rng.choice(DYNAMIC_KEYS if spec is None else ("a", "b", "c", "n", "missing"))]
        while len(steps) < 4 and self.rng.random() < 0.35:
            steps.append(self.rng.choice(("x", "y", 0, 1)))
        return JsonPath(spec, tuple(steps))

    def field_of(self, *types):
        """A field or array element of one of the types, or None."""
        fields = [Field(f) for f in self.schema.of_type(*types)]
        for spec in self.schema.of_type("ARRAY"):
            if spec.element_type in types:
                fields.append(Element(Field(spec), self.rng.randrange(3)))
        return self.rng.choice(fields)

    def sample(self, operand, type_name):
        """A constant that has a good chance to occur among the operand's values."""
        row = self.rng.choice(self.rows)
        value = operand.evaluate(row)
        if kind(value) == "object" or value is None or self.rng.random() < 0.3:
            value = self.scalar(type_name) if type_name else self.json_constant()
        if kind(value) == "number" and self.rng.random() < 0.15:
            value = self.neighbour(value)
        return value

    def neighbour(self, value):
        if is_int(value):
            return self.rng.choice((in_range(value + 1) or value, value + 0.5, float(value)))
        return value + self.rng.choice((0.5, -0.5))

    def json_constant(self):
        return self.rng.choice((True, False, 0, 1, 2.5, -1, "a", "apple", "", [1], []))

    def number_type(self, operand):
        if isinstance(operand, Field):
            return operand.spec.type
        return operand.array.spec.element_type if isinstance(operand, Element) else "INT8"

    def numeric(self, depth, integers=False, json_allowed=True):
        """A numeric expression; with `integers`, of integer type (or JSON)."""
        rng = self.rng
        if depth > 0 and rng.random() < 0.7:
            if rng.random() < 0.15:
                ops = "-~" if integers else "-+"
                return Unary(rng.choice(ops), self.numeric(depth - 1, integers, json_allowed))
            ops = ["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"] if integers else ["+", "-", "*", "/", "**"]
            op = rng.choice(ops)
            left = self.numeric(depth - 1, integers, json_allowed)
            right = self.numeric(depth - 1, integers, json_allowed)
            if rng.random() < 0.5:
                right = Constant(self.small_constant(op, integers))
            elif rng.random() < 0.2:
                left = Constant(self.small_constant("+", integers))
            return Binary(op, left, right)
        choice = rng.random()
        if json_allowed and choice < 0.15:
            return self.path()
        if choice < 0.25:
            arrays = [Field(f) for f in self.schema.of_type("ARRAY")]
            return ArrayLength(rng.choice(arrays))
        return self.field_of(*INT_TYPES) if integers else self.field_of(*INT_TYPES, *FLOAT_TYPES)

    def small_constant(self, op, integers):
        value = self.rng.choice((1, 2, 3, 7, 10, 64 if op in ("<<", ">>") else 5))
        if integers or self.rng.random() < 0.7:
            return value
        return value + self.rng.choice((0.0, 0.5))

    # Predicates

    def predicate(self, depth):
        rng = self.rng
        if depth > 0 and rng.random() < 0.65:
            if rng.random() < 0.3:
                return Not(self.predicate(depth - 1))
            count = rng.choice((2, 2, 2, 3, 4))
            return Logical(rng.choice(("and", "or")), [self.predicate(depth - 1) for _ in range(count)])
        makers = (self.compare_numbers, self.compare_numbers, self.compare_text, self.compare_bool, self.range_of,
                  self.in_list, self.in_list, self.pattern, self.null_test, self.contains, self.compare_json,
                  self.compare_json, self.in_json, self.compare_arithmetic, self.compare_fields, self.compare_array,
                  self.exists_or_missing)
        return rng.choice(makers)()

    def comparison(self, op, left, right):
        if self.rng.random() < 0.25:
            mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
            return Compare(mirrored[op], right, left)
        return Compare(op, left, right)

    def any_op(self):
        return self.rng.choice(("<", "<=", ">", ">=", "==", "!="))

    def compare_numbers(self):
        operand = self.field_of(*INT_TYPES, *FLOAT_TYPES)
        return self.comparison(self.any_op(), operand, Constant(self.sample(operand, self.number_type(operand))))

    def compare_text(self):
        operand = self.field_of("VARCHAR")
        return self.comparison(self.any_op(), operand, Constant(self.sample(operand, "VARCHAR")))

    def compare_bool(self):
        operand = self.field_of("BOOL")
        if self.rng.random() < 0.5:
            return Bool(operand if self.rng.random() < 0.9 else Constant(self.rng.random() < 0.5))
        return self.comparison(self.rng.choice(("==", "!=")), operand, Constant(self.rng.random() < 0.5))

    def range_of(self):
        text = self.rng.random() < 0.25
        operand = self.field_of("VARCHAR") if text else self.field_of(*INT_TYPES, *FLOAT_TYPES)
        type_name = "VARCHAR" if text else self.number_type(operand)
        if self.rng.random() < 0.2:
            operand = self.path()
        low, high = (self.sample(operand, type_name) for _ in range(2))
        if kind(low) != kind(high) or kind(low) not in ("number", "text"):
            low, high = 0, 5
        ops = self.rng.choice((("<", "<="), (">", ">=")))
        if (ops[0] == "<") != (low <= high) and self.rng.random() < 0.9:
            low, high = high, low
        return Range(Constant(low), self.rng.choice(ops), operand, self.rng.choice(ops), Constant(high))

    def in_list(self):
        type_name = self.rng.choice(("BOOL", "VARCHAR", "VARCHAR", "INT", "INT", "FLOAT"))
        types = {"INT": tuple(INT_TYPES), "FLOAT": FLOAT_TYPES}.get(type_name, (type_name,))
        operand = self.field_of(*types)
        sample_type = self.number_type(operand) if type_name in ("INT", "FLOAT") else type_name
        items = [self.sample(operand, sample_type) for _ in range(self.rng.randrange(6))]
        return In(operand, items, self.rng.random() < 0.4)

    def in_json(self):
        operand = self.path()
        items = [self.sample(operand, None) for _ in range(self.rng.randrange(5))]
        items = [item for item in items if not has_null(item)]
        return In(operand, items, self.rng.random() < 0.4)

    def compare_json(self):
        operand = self.path()
        value = self.sample(operand, None)
        if has_null(value):
            value = 1
        op = self.any_op() if kind(value) in ("number", "text") else self.rng.choice(("==", "!="))
        return self.comparison(op, operand, Constant(value))

    def compare_array(self):
        spec = self.rng.choice(self.schema.of_type("ARRAY"))
        operand = Field(spec)
        value = operand.evaluate(self.rng.choice(self.rows))
        if value is None or self.rng.random() < 0.3:
            value = [self.scalar(spec.element_type) for _ in range(self.rng.randrange(4))]
        return self.comparison(self.rng.choice(("==", "!=")), operand, Constant(value))

    def compare_arithmetic(self):
        left = self.numeric(2, integers=self.rng.random() < 0.5)
        if self.rng.random() < 0.2:
            return In(left, [self.rng.randrange(-9, 10) for _ in range(self.rng.randrange(5))],
                      self.rng.random() < 0.3)
        value = self.sample(left, "INT8")
        return self.comparison(self.any_op(), left, Constant(value if kind(value) == "number" else 1))

    def compare_fields(self):
        choice = self.rng.random()
        if choice < 0.2:
            return Compare(self.any_op(), self.field_of("VARCHAR"), self.field_of("VARCHAR"))
        if choice < 0.3:
            return Compare(self.rng.choice(("==", "!=")), self.field_of("BOOL"), self.field_of("BOOL"))
        left = self.numeric(self.rng.randrange(2), json_allowed=False)
        right = self.numeric(self.rng.randrange(2), json_allowed=False)
        return Compare(self.any_op(), left, right)

    def pattern(self):
        operand = self.path() if self.rng.random() < 0.25 else self.field_of("VARCHAR")
        if self.rng.random() < 0.35:
            pattern = self.rng.choice(("a", "^a", "b$", "^ab?c*$", "[a-c]+", "a|x", "(?i)APPLE", "^$", "n.n", "^[^a]",
                                       "caf."))
            return Regex(operand, pattern, self.rng.random() < 0.4)
        return Like(operand, self.like_pattern())

    def like_pattern(self):
        word = self.rng.choice(WORDS)
        escaped = "".join("\\" + c if c in "%_\\" else c for c in word)
        choice = self.rng.randrange(7)
        if choice == 6 and word:
            position = self.rng.randrange(len(word))
            parts = ["\\" + c if c in "%_\\" else c for c in word]
            parts[position] = "_"
            return "".join(parts) + self.rng.choice(("", "%"))
        first = self.rng.choice("ab")
        return (escaped, escaped + "%", "%" + escaped, f"%{escaped}%", f"{first}%{escaped}", f"%{first}%{first}%",
                "%")[choice]

    def null_test(self):
        spec = self.rng.choice([f for f in self.schema.fields if not f.is_primary])
        operand = Field(spec)
        if spec.type == "ARRAY" and self.rng.random() < 0.3:
            operand = Element(operand, self.rng.randrange(3))
        return IsNull(operand, self.rng.random() < 0.5)

    def exists_or_missing(self):
        if self.rng.random() < 0.5:
            return Exists(self.path())
        return IsNull(self.path(), self.rng.random() < 0.5)

    def contains(self):
        mode = self.rng.choice(("", "_all", "_any"))
        if self.rng.random() < 0.4:
            operand, type_name = self.path(), None
        else:
            spec = self.rng.choice(self.schema.of_type("ARRAY"))
            operand, type_name = Field(spec), spec.element_type
        items = []
        for _ in range(self.rng.randrange(4) if mode else 1):
            value = operand.evaluate(self.rng.choice(self.rows))
            item = self.rng.choice(value) if kind(value) == "array" and value else None
            if item is None or kind(item) == "object" or has_null(item):
                item = self.scalar(type_name) if type_name else self.json_constant()
            items.append(item)
        return Contains(self.rng.choice(("json", "array")), mode, operand, items)


def has_null(value):
    """Whether a JSON value holds what no constant can be: null or an object."""
    if isinstance(value, list):
        return any(has_null(v) for v in value)
    return kind(value) in (None, "object")


def matching_keys(expression, rows):
    """The keys of the rows for which the predicate is true."""
    return {row["pk"] for row in rows if expression.evaluate(row) is True}


def generate_case(seed, row_count=40, filter_count=40):
    """A schema (SchemaSpec), rows as a client inserts them, and filters.

    Rows are dictionaries: None for NULL, JSON as Python values, dynamic keys beside the declared ones. A row has no
    vector. Filters are tuples of text, template values by name (None when the text has no template), and the set of
    keys that must match.
    """
    generator = CaseGenerator(seed)
    generator.make_rows(row_count)
    filters = []
    for _ in range(filter_count):
        expression = generator.predicate(generator.rng.randrange(4))
        renderer = Renderer(generator.rng, use_templates=generator.rng.random() < 0.25)
        text = expression.render(renderer)
        filters.append((text, renderer.templates or None, matching_keys(expression, generator.rows)))
    return generator.schema, generator.rows, filters


def _main():
    """Prints a case as JSON, one object per line: for tools that are not written in Python."""
    import argparse

    parser = argparse.ArgumentParser(description=_main.__doc__)
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()
    schema, rows, filters = generate_case(arguments.seed)
    print(json.dumps({"dynamic": schema.enable_dynamic_field, "fields": [vars(f) for f in schema.fields]}))
    for row in rows:
        print(json.dumps({"row": row}))
    for text, templates, expected in filters:
        print(json.dumps({"filter": text, "templates": templates, "expected": sorted(expected)}))


if __name__ == "__main__":
    _main()
