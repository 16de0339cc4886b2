"""An in-memory model of the filter language, and a generator of cases for it.

Written from the language's description (docs/filters.md), independently of the server: a test inserts the rows of a
case, sends each filter, and compares the keys that come back with the keys that the model expects.

    schema, rows, filters = generate_case(seed)
    for text, templates, expected in filters:
        ...  # query(filter=text, filter_params=templates) must give exactly the keys `expected`

Expressions are trees of the classes below. Each one can be

  * rendered to text (`render`), with only the parentheses that the precedence of the operators makes necessary, plus
    some superfluous ones, and
  * evaluated for a row (`evaluate`): a predicate is True, False or None (NULL), a value is a Python value or None.

Everything is pure Python and depends on the seed only.
"""

import json
import math
import random
import re
import struct
from dataclasses import dataclass, field

INT_TYPES = {"INT8": 8, "INT16": 16, "INT32": 32, "INT64": 64}
FLOAT_TYPES = ("FLOAT", "DOUBLE")
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
DYNAMIC_KEYS = ("color", "size", "extra", "tags")

# How tightly things bind; the order of docs/filters.md.
(OR, AND, BIT_OR, BIT_XOR, BIT_AND, EQUALITY, RELATIONAL, RANGE, IN, SHIFT, ADD, MULTIPLY, UNARY, POWER, PATTERN,
 ATOM) = range(1, 17)


# ---------------------------------------------------------------------------------------------------------------
# Schemas


@dataclass
class FieldSpec:
    """A field: `type` and `element_type` are names of pymilvus's DataType."""

    name: str
    type: str
    nullable: bool = False
    is_primary: bool = False
    element_type: str = ""
    max_length: int = 256
    max_capacity: int = 16


@dataclass
class SchemaSpec:
    """The scalar fields of a collection; the test adds the vector field that a collection needs."""

    fields: list = field(default_factory=list)
    enable_dynamic_field: bool = False

    @property
    def primary(self):
        return next(f for f in self.fields if f.is_primary)

    def of_type(self, *types):
        return [f for f in self.fields if f.type in types]


# ---------------------------------------------------------------------------------------------------------------
# Values


def float32(value):
    """The nearest 32-bit floating-point number, as a Python float."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def kind(value):
    """What a value can be compared with; None for NULL."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "text"
    return "array" if isinstance(value, list) else "object"


def equal(a, b):
    """Equality of two values of any kind; lists element by element."""
    if kind(a) != kind(b):
        return False
    if kind(a) == "array":
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b))
    return kind(a) is not None and kind(a) != "object" and a == b


def compare(op, a, b):
    """True, False, or None when the operator cannot be applied to the two."""
    if kind(a) is None or kind(a) != kind(b):
        return None
    if op == "==":
        return None if kind(a) == "object" else equal(a, b)
    if op == "!=":
        return None if kind(a) == "object" else not equal(a, b)
    if kind(a) not in ("number", "text"):
        return None
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


def negate(value):
    return None if value is None else not value


def conjunction(values):
    values = list(values)
    if any(v is False for v in values):
        return False
    return None if any(v is None for v in values) else True


def disjunction(values):
    return negate(conjunction(negate(v) for v in values))


def is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def finite(value):
    return value if isinstance(value, float) and math.isfinite(value) else None


def in_range(value):
    return value if INT64_MIN <= value <= INT64_MAX else None


def to_int64(value):
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def integer_arithmetic(op, a, b):
    if op in ("+", "-", "*"):
        return in_range({"+": a + b, "-": a - b, "*": a * b}[op])
    if op in ("/", "%"):
        if b == 0:
            return None
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        return in_range(quotient) if op == "/" else a - quotient * b
    if op == "**":
        if b < 0:
            return float_power(float(a), float(b))
        if abs(a) <= 1:
            return a**(b % 2 if a == -1 else min(b, 1))
        return None if b > 63 else in_range(a**b)
    if op in ("<<", ">>"):
        if not 0 <= b <= 63:
            return None
        return to_int64(a << b) if op == "<<" else a >> b
    return {"&": a & b, "|": a | b, "^": a ^ b}[op]


def float_power(a, b):
    try:
        power = a**b
    except (OverflowError, ZeroDivisionError):
        return None
    return finite(power)


def arithmetic(op, a, b):
    """The result for two values; None for NULL."""
    if kind(a) != "number" or kind(b) != "number":
        return None
    if is_int(a) and is_int(b):
        return integer_arithmetic(op, a, b)
    a, b = float(a), float(b)
    if op == "/":
        return None if b == 0 else finite(a / b)
    if op == "**":
        return float_power(a, b)
    if op in ("+", "-", "*"):
        return finite({"+": a + b, "-": a - b, "*": a * b}[op])
    return None  # the others need integers


# ---------------------------------------------------------------------------------------------------------------
# Rendering


class Renderer:
    """Writes expressions as text; decides about spelling, templates and superfluous parentheses."""

    def __init__(self, rng, use_templates):
        self.rng = rng
        self.use_templates = use_templates
        self.templates = {}

    def operand(self, expression, binding_min):
        text = expression.render(self)
        if expression.binding < binding_min or self.rng.random() < 0.05:
            return f"({text})"
        return text

    def word(self, word):
        return self.rng.choice((word, word.upper()))

    def logical(self, op):
        return self.rng.choice({"and": ("and", "AND", "&&"), "or": ("or", "OR", "||")}[op])

    def template(self, value):
        name = f"p{len(self.templates)}"
        self.templates[name] = value
        return "{" + name + "}"

    def constant(self, value):
        if self.use_templates and self.rng.random() < 0.7 and is_template_value(value):
            return self.template(value)
        return self.literal(value)

    def literal(self, value):
        if isinstance(value, bool):
            return self.rng.choice(("true", "True", "TRUE") if value else ("false", "False", "FALSE"))
        if isinstance(value, int):
            return self.integer(value)
        if isinstance(value, float):
            return self.floating(value)
        if isinstance(value, str):
            return self.string(value)
        return "[" + ", ".join(self.literal(v) for v in value) + "]"

    def integer(self, value):
        sign = "-" if value < 0 else ""
        form = self.rng.choices(("d", "x", "o", "b"), (20, 1, 1, 1))[0]
        prefix = {"d": "", "x": "0x", "o": "0", "b": "0b"}[form]
        return sign + prefix + format(abs(value), form)

    def floating(self, value):
        if self.rng.random() < 0.1:
            return value.hex()
        text = repr(value)
        return text if any(c in text for c in ".e") else text + ".0"

    def string(self, value):
        quote = self.rng.choice("'\"")
        raw_allowed = quote not in value and "\n" not in value and not value.endswith("\\")
        if raw_allowed and self.rng.random() < 0.2:
            return f"r{quote}{value}{quote}"
        text = "".join(self.character(c, quote) for c in value)
        return f"{quote}{text}{quote}"

    def character(self, c, quote):
        if c in ("\\", quote):
            return "\\" + c
        if c == "\n":
            return "\\n"
        if ord(c) > 127 and self.rng.random() < 0.3:
            return f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}"
        return c


def is_template_value(value):
    """Clients send lists of one type, not empty and not nested."""
    if not isinstance(value, list):
        return True
    return bool(value) and len({type(v) for v in value}) == 1 and not isinstance(value[0], list)


# ---------------------------------------------------------------------------------------------------------------
# Expressions: values


class Expression:
    binding = ATOM

    def render(self, renderer):
        raise NotImplementedError

    def evaluate(self, row):
        raise NotImplementedError


@dataclass
class Constant(Expression):
    value: object

    @property
    def binding(self):
        negative = kind(self.value) == "number" and math.copysign(1, self.value) < 0
        return UNARY if negative else ATOM

    def render(self, renderer):
        return renderer.constant(self.value)

    def evaluate(self, row):
        return self.value


@dataclass
class Field(Expression):
    """A declared field. FLOAT fields hold 32 bits."""

    spec: FieldSpec

    def render(self, renderer):
        return self.spec.name

    def evaluate(self, row):
        value = row.get(self.spec.name)
        if value is None:
            return None
        if self.spec.type == "FLOAT":
            return float32(value)
        if self.spec.type == "ARRAY" and self.spec.element_type == "FLOAT":
            return [float32(v) for v in value]
        return value

    @property
    def is_float32(self):
        return "FLOAT" in (self.spec.type, self.spec.element_type)


@dataclass
class Element(Expression):
    """array[index]"""

    array: Field
    index: int

    def render(self, renderer):
        return f"{self.array.render(renderer)}[{self.index}]"

    def evaluate(self, row):
        value = self.array.evaluate(row)
        return value[self.index] if value is not None and self.index < len(value) else None

    @property
    def is_float32(self):
        return self.array.is_float32


@dataclass
class JsonPath(Expression):
    """A place in a JSON field; `spec` None is the dynamic field, whose keys are the row's undeclared ones."""

    spec: object
    path: tuple

    is_float32 = False

    def render(self, renderer):
        steps = list(self.path)
        if self.spec is not None:
            text = self.spec.name
        elif renderer.rng.random() < 0.5:
            text = "$meta"
        else:
            text = steps.pop(0)
        for step in steps:
            quote = renderer.rng.choice("'\"")
            text += f"[{step}]" if isinstance(step, int) else f"[{quote}{step}{quote}]"
        return text

    def evaluate(self, row):
        value = row if self.spec is None else row.get(self.spec.name)
        for step in self.path:
            if isinstance(step, int):
                if not isinstance(value, list) or step >= len(value):
                    return None
            elif not isinstance(value, dict) or step not in value:
                return None
            value = value[step]
        return value


@dataclass
class ArrayLength(Expression):
    array: Expression

    def render(self, renderer):
        return f"{renderer.word('array_length')}({self.array.render(renderer)})"

    def evaluate(self, row):
        value = self.array.evaluate(row)
        return len(value) if kind(value) == "array" else None


@dataclass
class Binary(Expression):
    """Arithmetic."""

    op: str
    left: Expression
    right: Expression

    BINDINGS = {"**": POWER, "*": MULTIPLY, "/": MULTIPLY, "%": MULTIPLY, "+": ADD, "-": ADD, "<<": SHIFT, ">>": SHIFT,
                "&": BIT_AND, "^": BIT_XOR, "|": BIT_OR}

    @property
    def binding(self):
        return self.BINDINGS[self.op]

    def render(self, renderer):
        left = renderer.operand(self.left, self.binding)
        right = renderer.operand(self.right, self.binding + 1)
        return f"{left} {self.op} {right}"

    def evaluate(self, row):
        return arithmetic(self.op, self.left.evaluate(row), self.right.evaluate(row))


@dataclass
class Unary(Expression):
    """- + ~"""

    op: str
    operand: Expression
    binding = UNARY

    def render(self, renderer):
        return self.op + renderer.operand(self.operand, UNARY + 1)

    def evaluate(self, row):
        value = self.operand.evaluate(row)
        if kind(value) != "number":
            return None
        if self.op == "~":
            return ~value if is_int(value) else None
        if self.op == "-":
            return in_range(-value) if is_int(value) else -value
        return value


# ---------------------------------------------------------------------------------------------------------------
# Expressions: predicates


def constant_for(operand, value):
    """A constant as it is compared with an operand: rounded to 32 bits for FLOAT."""
    if not getattr(operand, "is_float32", False):
        return value
    if isinstance(value, list):
        return [constant_for(operand, v) for v in value]
    return float32(value) if kind(value) == "number" else value


@dataclass
class Compare(Expression):
    op: str
    left: Expression
    right: Expression

    @property
    def binding(self):
        return EQUALITY if self.op in ("==", "!=") else RELATIONAL

    def render(self, renderer):
        # Above the range chain, so that a < b < c is never written by accident.
        left = renderer.operand(self.left, IN + 1)
        right = renderer.operand(self.right, IN + 1)
        return f"{left} {self.op} {right}"

    def evaluate(self, row):
        left, right = self.left.evaluate(row), self.right.evaluate(row)
        if isinstance(self.right, Constant):
            right = constant_for(self.left, right)
        elif isinstance(self.left, Constant):
            left = constant_for(self.right, left)
        return compare(self.op, left, right)


@dataclass
class Range(Expression):
    """low op value op2 high, both operators in one direction."""

    low: Constant
    op: str
    value: Expression
    op2: str
    high: Constant
    binding = RANGE

    def render(self, renderer):
        low, high = renderer.operand(self.low, IN + 1), renderer.operand(self.high, IN + 1)
        return f"{low} {self.op} {self.value.render(renderer)} {self.op2} {high}"

    def evaluate(self, row):
        value = self.value.evaluate(row)
        low = constant_for(self.value, self.low.value)
        high = constant_for(self.value, self.high.value)
        return conjunction((compare(self.op, low, value), compare(self.op2, value, high)))


@dataclass
class In(Expression):
    value: Expression
    items: list
    negated: bool
    binding = IN

    def render(self, renderer):
        op = renderer.word("not in") if self.negated else renderer.word("in")
        return f"{renderer.operand(self.value, IN + 1)} {op} {renderer.constant(self.items)}"

    def evaluate(self, row):
        value = self.value.evaluate(row)
        items = constant_for(self.value, self.items)
        if value is None:
            return None
        if any(equal(value, item) for item in items):
            found = True
        elif items and kind(value) not in {kind(item) for item in items}:
            return None  # it can be compared with none of them
        else:
            found = False
        return found != self.negated


def like_to_regex(pattern):
    out, escaped = "", False
    for c in pattern:
        if escaped:
            out, escaped = out + re.escape(c), False
        elif c == "\\":
            escaped = True
        else:
            out += {"%": ".*", "_": "."}.get(c) or re.escape(c)
    return re.compile(out, re.DOTALL)


@dataclass
class Like(Expression):
    value: Expression
    pattern: str
    binding = PATTERN

    def render(self, renderer):
        return f"{self.value.render(renderer)} {renderer.word('like')} {renderer.constant(self.pattern)}"

    def evaluate(self, row):
        value = self.value.evaluate(row)
        if kind(value) != "text":
            return None
        return like_to_regex(self.pattern).fullmatch(value) is not None


@dataclass
class Regex(Expression):
    """=~ and !~. The generator keeps to what Python's expressions and RE2's have in common."""

    value: Expression
    pattern: str
    negated: bool
    binding = PATTERN

    def render(self, renderer):
        op = "!~" if self.negated else "=~"
        return f"{self.value.render(renderer)} {op} {renderer.constant(self.pattern)}"

    def evaluate(self, row):
        value = self.value.evaluate(row)
        if kind(value) != "text":
            return None
        return (re.search(self.pattern, value) is not None) != self.negated


@dataclass
class IsNull(Expression):
    value: Expression
    negated: bool

    def render(self, renderer):
        return f"{self.value.render(renderer)} {renderer.word('is not null' if self.negated else 'is null')}"

    def evaluate(self, row):
        return (self.value.evaluate(row) is None) != self.negated


@dataclass
class Exists(Expression):
    value: JsonPath

    def render(self, renderer):
        return f"{renderer.word('exists')} {self.value.render(renderer)}"

    def evaluate(self, row):
        return self.value.evaluate(row) is not None


@dataclass
class Contains(Expression):
    """json_contains and array_contains: `mode` is "", "_all" or "_any"; `items` is a list in every mode."""

    function: str
    mode: str
    value: Expression
    items: list

    def render(self, renderer):
        argument = self.items if self.mode else self.items[0]
        name = renderer.word(f"{self.function}_contains{self.mode}")
        return f"{name}({self.value.render(renderer)}, {renderer.constant(argument)})"

    def evaluate(self, row):
        value = self.value.evaluate(row)
        if kind(value) != "array":
            return None
        found = [any(equal(element, item) for element in value) for item in constant_for(self.value, self.items)]
        return all(found) if self.mode == "_all" else any(found)


@dataclass
class Bool(Expression):
    """A BOOL field or element as a predicate, or the constants true and false."""

    value: Expression

    def render(self, renderer):
        return self.value.render(renderer)

    def evaluate(self, row):
        return self.value.evaluate(row)


@dataclass
class Not(Expression):
    operand: Expression
    binding = UNARY

    def render(self, renderer):
        op = renderer.rng.choice(("not ", "NOT ", "!"))
        text = renderer.operand(self.operand, UNARY)
        return f"{op}{text}" if op != "!" or not text.startswith("~") else f"! {text}"

    def evaluate(self, row):
        return negate(self.operand.evaluate(row))


@dataclass
class Logical(Expression):
    op: str
    operands: list

    @property
    def binding(self):
        return AND if self.op == "and" else OR

    def render(self, renderer):
        texts = [renderer.operand(operand, self.binding + 1) for operand in self.operands]
        out = texts[0]
        for text in texts[1:]:
            out += f" {renderer.logical(self.op)} {text}"
        return out

    def evaluate(self, row):
        combine = conjunction if self.op == "and" else disjunction
        return combine(operand.evaluate(row) for operand in self.operands)


# ---------------------------------------------------------------------------------------------------------------
# Generators


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
        return self.comparison(self.any_op(), left, Constant(self.sample(left, "INT8")))

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
