"""The filter language in Python: expressions as trees, written from its description (docs/filters.md) and independent
of the server. Each expression can be

  * rendered to text (`render`), with only the parentheses that the precedence of the operators makes necessary, plus
    some superfluous ones, and
  * evaluated for a row (`evaluate`): a predicate is True, False or None (NULL), a value is a Python value or None.
"""

import math
import re
import struct
from dataclasses import dataclass, field

INT_TYPES = {"INT8": 8, "INT16": 16, "INT32": 32, "INT64": 64}
FLOAT_TYPES = ("FLOAT", "DOUBLE")
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

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
