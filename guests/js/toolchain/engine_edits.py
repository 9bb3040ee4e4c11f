"""Edits to QuickJS: `(text, text instead, how many places have it)`.

The engine measures its stack in linear memory only, and its messages are not
those that programs for V8, and the people and models who write them, know.
"""

# A stack frame in linear memory that stands for the frames of native code
# which the engine cannot see. The engine bounds the stack in linear memory,
# the host the native one, and the ratio of the two differs between the
# functions that recurse. With this every kind of recursion meets the engine's
# bound, and throws a RangeError, before it meets the host's, and traps.
PAD = "    volatile char native_frames[%d]; native_frames[0] = 0;\n"


def pad(signature, size):
    """Pads the function which has this text just before its opening brace."""
    return (signature + "\n{\n", signature + "\n{\n" + PAD % size, 1)


def message(old, new, places=1):
    """Another text of a message."""
    return (f'"{old}"', f'"{new}"', places)


STACK = [
    # On WASI the engine would not check its stack at all.
    ("#if defined(__wasi__)\n    rt->stack_limit = 0;", "#if 0\n    rt->stack_limit = 0;", 1),
    ("#ifdef __wasi__\n    rt->stack_size = 0;\n#endif\n", "", 1),
    pad("static __exception int js_parse_assign_expr2(JSParseState *s, int parse_flags)", 800),
    pad("static __exception int js_parse_unary(JSParseState *s, int parse_flags)", 400),
    pad("static JSValue json_parse_value(JSParseState *s, JSONParseRecord *pr)", 400),
]

# A script that has a line before the first of its source counts from zero.
LINES = [
    ("if (options->line_num != 0)", "if (options->line_num >= 0)", 1),
    # Columns count from the end of the line before; the first has none.
    ("    s->eol = s->buf_ptr;\n    s->token.val", "    s->eol = s->buf_ptr - 1;\n    s->token.val", 1),
]

# V8's text for JSON that is none: the first bad character and what is around.
JSON_CONTEXT = r"""
static int json_unexpected_token(JSParseState *s)
{
    const char *start = (const char *)s->buf_start, *at = (const char *)s->token.ptr;
    int length = strlen(start), position = at - start, width = 1;
    int from = length > 20 && position > 10 ? position - 10 : 0;
    int to = length > 20 && position + 10 < length ? position + 10 : length;
    while (from > 0 && (start[from] & 0xC0) == 0x80)
        from--;
    while (to < length && (start[to] & 0xC0) == 0x80)
        to++;
    while (position + width < length && (at[width] & 0xC0) == 0x80)
        width++;
    if (!strcmp(start, "undefined") || !strcmp(start, "[object Object]"))
        return js_parse_error(s, "\"%s\" is not valid JSON", start);
    return js_parse_error(s, "Unexpected token '%.*s', %s\"%.*s\"%s is not valid JSON", width, at,
                          from > 0 ? "..." : "", to - from, start + from, to < length ? "..." : "");
}

/* 'pr' can be NULL */
static JSValue json_parse_value("""

REDECLARED = """char declared[ATOM_GET_STR_BUF_SIZE];
                return js_parse_error(s, "Identifier '%s' has already been declared",
                                      JS_AtomGetStr(ctx, declared, sizeof(declared), name));"""

JSON = [
    ("\n/* 'pr' can be NULL */\nstatic JSValue json_parse_value(", JSON_CONTEXT, 1),
    ("""            js_parse_error(s, "unexpected token: '%.*s'",
                           (int)(s->buf_ptr - s->token.ptr), s->token.ptr);""",
     "            json_unexpected_token(s);", 1),
    ('js_parse_error(s, "unexpected data at the end")',
     'js_parse_error(s, "Unexpected non-whitespace character after JSON at position %d", (int)(s->token.ptr - s->buf_start))', 1),
    ('            JS_ThrowTypeError(ctx, "circular reference");\n            goto exception;',
     '            JS_ThrowTypeError(ctx, "Converting circular structure to JSON");\n            goto exception;', 1),
    message("BigInt are forbidden in JSON.stringify", "Do not know how to serialize a BigInt"),
]

SYNTAX = [
    # The engine has a text of V8's kind for an unexpected token; use it throughout.
    ('return js_parse_error(s, "expecting \'%c\'", \';\');', "return js_parse_expect(s, ';');", 1),
    ("""return js_parse_error(s, "unexpected token in expression: '%.*s'",
                              (int)(s->buf_ptr - s->token.ptr), s->token.ptr);""",
     "return js_parse_expect(s, INT32_MAX);", 1),
    ('{\n                redef_lex_error:\n                    /* redefining a scoped var in the same scope: error */\n'
     '                    return js_parse_error(s, "invalid redefinition of lexical identifier");',
     '{\n                redef_lex_error:;\n                    ' + REDECLARED, 1),
    ('       invalid_lexical_redefinition:\n            /* error to redefine a var that inside a lexical scope */\n'
     '            return js_parse_error(s, "invalid redefinition of lexical identifier");',
     '       invalid_lexical_redefinition:;\n            ' + REDECLARED, 1),
    message("redeclaration of '%s'", "Identifier '%s' has already been declared"),
    message("invalid assignment left-hand side", "Invalid left-hand side in assignment"),
    message("invalid number literal", "Invalid or unexpected token"),
    message("missing initializer for variable", "Missing initializer in const declaration"),
    message("return not in a function", "Illegal return statement"),
    message("unexpected end of string", "Invalid or unexpected token", 2),
    message("function name expected", "Function statements require a function name"),
    ('JS_ThrowSyntaxError(ctx, "%s", error_msg);',
     'const char *text = JS_ToCString(ctx, pattern);\n'
     '        JS_ThrowSyntaxError(ctx, "Invalid regular expression: /%s/: %s", text ? text : "", error_msg);\n'
     '        JS_FreeCString(ctx, text);', 1),
    message("invalid regular expression flags", "Invalid flags supplied to RegExp constructor", 2),
    message("invalid BigInt literal", "Cannot convert value to a BigInt"),
    ("\"Could not find export '%s' in module '%s'\",\n"
     "                            JS_AtomGetStr(ctx, buf1, sizeof(buf1), export_name),\n"
     "                            JS_AtomGetStr(ctx, buf2, sizeof(buf2), m->module_name));",
     "\"The requested module '%s' does not provide an export named '%s'\",\n"
     "                            JS_AtomGetStr(ctx, buf2, sizeof(buf2), m->module_name),\n"
     "                            JS_AtomGetStr(ctx, buf1, sizeof(buf1), export_name));", 1),
]

VALUES = [
    message("cannot read property '%s' of null", "Cannot read properties of null (reading '%s')", 2),
    message("cannot read property '%s' of undefined", "Cannot read properties of undefined (reading '%s')", 2),
    message("cannot set property '%s' of null", "Cannot set properties of null (setting '%s')"),
    message("cannot set property '%s' of undefined", "Cannot set properties of undefined (setting '%s')"),
    ('    return JS_ThrowReferenceError(ctx, "%s is not initialized",',
     '    if (name == JS_ATOM_this)\n'
     '        return JS_ThrowReferenceError(ctx, "Must call super constructor in derived class before accessing'
     ' \'this\' or returning from derived constructor");\n'
     '    return JS_ThrowReferenceError(ctx, "Cannot access \'%s\' before initialization",', 1),
    ("if (type == JS_THROW_VAR_RO)\n                    JS_ThrowTypeErrorReadOnly(ctx, JS_PROP_THROW, atom);",
     'if (type == JS_THROW_VAR_RO)\n                    JS_ThrowTypeError(ctx, "Assignment to constant variable.");', 1),
    message("'%s' is read-only", "Cannot assign to read only property '%s' of object"),
    message("could not delete property", "Cannot delete property of object"),
    message("class constructors must be invoked with 'new'", "Class constructor cannot be invoked without 'new'"),
    message("object is not extensible", "Cannot add property, object is not extensible", 6),
    message("private class field '%s' does not exist",
            "Cannot access private member %s of an object whose class did not declare it"),
    message("invalid 'instanceof' right operand", "Right-hand side of 'instanceof' is not callable"),
    message("invalid 'in' operand", "Cannot use 'in' operator to search in a value that is no object", 2),
    message("object prototype may only be an Object or null", "Object prototype may only be an Object or null"),
    message("empty array", "Reduce of empty array with no initial value"),
    message("expecting hex digit", "URI malformed"),
    message("BigInt division by zero", "Division by zero"),
    message("cannot convert to BigInt", "Cannot convert value to a BigInt"),
    message("cannot convert to BigInt: not an integer",
            "The number cannot be converted to a BigInt because it is not an integer"),
    message("cannot convert BigInt to number", "Cannot mix BigInt and other types, use explicit conversions"),
    message("cannot convert symbol to number", "Cannot convert a Symbol value to a number"),
    message("cannot convert symbol to string", "Cannot convert a Symbol value to a string"),
    message("Date value is NaN", "Invalid time value"),
    message("invalid array length", "Invalid array length", 4),
    message("invalid repeat count", "Invalid count value"),
    message("invalid string length", "Invalid string length", 6),
]

# What console.log shows of an iterator, without advancing it: a copy of it. The
# kind is 0 for keys, 1 for values, 2 for entries; undefined for what is no
# iterator of a map or set, or has nothing left.
ITERATORS = [(
    "static JSValue js_map_read(BCReaderState *s, int magic)\n{",
    """JSValue JS_CopyMapIterator(JSContext *ctx, JSValueConst iterator, int *kind)
{
    JSMapIteratorData *from, *to;
    JSValue copy;
    int magic;

    if (!JS_IsObject(iterator))
        return JS_UNDEFINED;
    magic = JS_VALUE_GET_OBJ(iterator)->class_id - JS_CLASS_MAP_ITERATOR;
    if (magic != 0 && magic != MAGIC_SET)
        return JS_UNDEFINED;
    from = JS_GetOpaque(iterator, JS_CLASS_MAP_ITERATOR + magic);
    if (!from || JS_IsUndefined(from->obj))
        return JS_UNDEFINED;
    *kind = from->kind;
    copy = js_create_map_iterator(ctx, from->obj, 0, NULL, (from->kind << 2) | magic);
    if (JS_IsException(copy))
        return copy;
    to = JS_GetOpaque(copy, JS_CLASS_MAP_ITERATOR + magic);
    to->cur_record = from->cur_record;
    if (to->cur_record)
        to->cur_record->ref_count++;
    return copy;
}

static JSValue js_map_read(BCReaderState *s, int magic)
{""", 1)]

# The zone is always this one in a sandbox; programs take the text apart.
DATES = [("            /* XXX: tack the time zone code? */\n",
          "            if (tz == 0 && pos < 34)\n"
          '                pos += snprintf(buf + pos, sizeof(buf) - pos, " (Coordinated Universal Time)");\n', 1)]

EDITS = DATES + STACK + LINES + JSON + SYNTAX + VALUES + ITERATORS
