"""Small templates that hold every filter, method, test and statement of Jinja against Python's."""

#: Rendered with these variables.
VARIABLES = {
    "s": "  Hello, World!\n", "t": "\n\ncode  \n", "u": "héllo wörld ǆ ß 🦙 日本", "e": "", "n": 7, "m": -3, "f": 2.5, "z": 0.1,
    "b": True, "none_value": None, "l": [3, 1, 2, 1], "w": ["b", "A", "c", "a"], "d": {"b": 1, "A": 2, "c": None},
    "rows": [{"k": "x", "v": 1, "o": {"p": 1}}, {"k": "Y", "v": 2, "o": {"p": 2}}, {"k": "x", "v": 3}],
    "nested": {"a": {"b": ["x", {"c": "deep"}]}, "items": "mine", "q": "it's \"q\""}, "big": 123456789012345678901234567890 % 2**52,
}

EXPRESSIONS = r"""
s.strip() | s.lstrip() | s.rstrip() | s.strip('! \n') | s.strip(' H') | t.lstrip('\n') | t.rstrip('\n ') | t.strip('\n') | s.strip(none)
u.upper() | u.lower() | u.title() | u.capitalize() | u.swapcase() | u.casefold() | u|upper | u|lower | u|title | u|capitalize | "o'neill mc-donald (x) [y]"|title
"a,b,,c".split(',') | "a,b,,c".split(',', 1) | "a,b,,c".rsplit(',', 1) | " a  b ".split() | " a  b c".split(none, 1) | " a  b c ".rsplit(none, 1) | "a\nb\r\nc\n".splitlines() | "a\nb".splitlines(true)
"abcabc".replace('b', 'X') | "abcabc".replace('b', 'X', 1) | "abc".replace('', '-') | "abc".replace('', '-', 2) | "aXbX"|replace('X', 'y', 1) | "abc"|replace('', '.')
"abcabc".find('c') | "abcabc".rfind('c') | "abcabc".index('b') | "abcabc".find('q') | "日本日本".find('本', 2) | "abcabc".count('bc') | "aaa".count('') | "aaaa".count('aa')
"abc".startswith('ab') | "abc".startswith(('x', 'a')) | "abc".endswith('bc') | "abc".startswith('b', 1) | "abc".endswith('')
"abc".center(8, '*') | "abc".ljust(5) ~ '|' | "abc".rjust(5, '.') | "-5".zfill(4) | "abc"|center(8) ~ '|' | "abcd"|center(7) ~ '|' | "ab"|center(5) ~ '|'
"a=b=c".partition('=') | "a=b=c".rpartition('=') | "abc".partition('x') | "abc".rpartition('x')
"abc".removeprefix('a') | "abc".removesuffix('c') | "abc".removesuffix('') | ", ".join(w) | "".join("abc") | "a\tb".expandtabs(4)
"abc".isalpha() | "ab1".isalnum() | "12".isdigit() | "½".isnumeric() | "²".isdigit() | " \t".isspace() | "Ab".isupper() | "AB1".isupper() | "ab1".islower() | "Ab Cd".istitle() | "a_1".isidentifier() | "a b".isprintable() | "é".isascii() | "".isalpha() | "1".isdecimal()
"{} and {}".format(1, 'x') | "{0}{1}{0}".format('a', 'b') | "{a:>5}|{b:.2f}".format(a='x', b=2.345) | "{:,}".format(1234567) | "{:05d}".format(42) | "{{}}".format() | "{!r}".format('x') | "{:x}".format(255) | "{:^7}".format('ab') ~ '|' | "{:+}".format(3) | "{:e}".format(12345.678) | "{:%}".format(0.25) | "{0[k]}".format({'k': 1})
"%s %d %5.2f %r" % ('a', 3, 2.5, 'q') | "%05d" % 42 | "%x %X %o" % (255, 255, 8) | "%-5s|" % 'a' | "%(a)s" % {'a': 1} | "%%" % () | "%s" % [1] | "%+d" % 5 | "%e" % 12345.678 | "%g" % 0.0001 | "%g" % 1234567.0 | "%s-%s"|format(1, 2) | "%(x)s"|format(x=1)
n + 1 | n - 10 | n * 2 | n / 2 | n // 2 | m // 2 | n % 4 | m % 5 | 2 ** 10 | 2 ** -1 | -n | +n | n / 7 | 7.0 // 2 | -7.5 % 2 | 1e3 | 1_000 | 0x1f | 0b11 | 0o17 | 1.5e-7 | 1e16 | 1e15 | 123456789.123 | 0.1 + 0.2 | 1e22 | 100000000000000000000 + 1 | 2 ** 100
'a' ~ 1 ~ none ~ true | 'a' * 3 | 3 * 'ab' | [1] + [2] | [0] * 2 | (1, 2) + (3,) | 'a' 'b' | not 1 | not '' | 1 < 2 < 3 | 1 < 3 < 2 | 'a' < 'b' | [1, 2] < [1, 3] | 1 == 1.0 | true == 1 | '1' == 1 | none == none | [1] == [1] | (1,) == [1] | {'a': 1} == {'a': 1} | undef == undef2 | 1 in l | 'x' in 'xyz' | 'b' in d | 9 not in l | 1 in undef | none in [none] | 'Z' > 'a' | '𐍈' < '￿'
true | none | 1.0 | [1, 'a', none, true, 2.5, {'x': "it's"}] | (1,) | () | [] | {} | {'a': [1, (2, 3)]} | undef | "a'b" | ["a'b"] | ['a"b'] | ["a'b\"c"] | ["\n\t\\\x00é\u200b\u3000🦙"] | range(3)|list | [1.0, 1e20, 1e-5, -0.0] | [true, false]
d.items()|list | d.keys()|list | d.values()|list | d|dictsort | d|dictsort(true) | d|dictsort(false, 'key', true) | {'a': 2, 'b': 1}|dictsort(by='value') | d|items|list | d.get('b') | d.get('q') | d.get('q', 5) | d.c | d['b'] | nested.a.b[1].c | nested['a']['b'][0] | nested.q | d|length | undef|items|list | dict(a=1, b=2) | dict({'x': 1}, y=2) | d.copy() == d
l[0] | l[-1] | l[9] | l[1:3] | l[::-1] | l[:-1] | l[-2:] | l[::2] | u[0] | u[-1] | u[::-1] | "abc"[1:] | "🦙x"[1] | "abc"[5] | (1, 2, 3)[1:] | l.index(2) | l.count(1) | l.copy() | rows[0].k | rows.0.k | "abcdef"[4:1:-1] | "abc"[-5:2] | l[3:1]
l|sort | l|sort(reverse=true) | w|sort | w|sort(case_sensitive=true) | rows|sort(attribute='v', reverse=true)|map(attribute='v')|list | rows|sort(attribute='k,v')|map(attribute='v')|list | l|unique|list | w|unique|list | rows|unique(attribute='k')|map(attribute='k')|list | l|reverse|list | "abc"|reverse | l|first | l|last | [none]|first | [none]|last | []|first | []|last | l|min | l|max | w|max | rows|max(attribute='v') | l|sum | rows|sum(attribute='v') | l|sum(start=10)
l|join | l|join('-') | rows|join(',', attribute='k') | 'abc'|join('.') | l|length | 'héé🦙'|length | l|count | l|batch(3)|list | l|batch(3, 'x')|list | l|slice(3)|list | l|slice(3, 0)|list | rows|groupby('k')|list|length | rows|groupby('k')|map(first)|list | 'abc'|list | d|list
l|select('odd')|list | l|reject('odd')|list | l|select('gt', 1)|list | l|select|list | [0, 1, '']|select|list | rows|selectattr('v', 'ge', 2)|map(attribute='k')|list | rows|rejectattr('k', 'equalto', 'x')|map(attribute='k')|list | rows|selectattr('o')|list|length | rows|map(attribute='o.p', default='-')|list | w|map('upper')|list | w|map('replace', 'a', 'z')|list | l|map('string')|map('length')|list | rows|selectattr('k', 'in', ['x'])|list|length
u|length | f|int | '42'|int | ' 42 '|int | '4.7'|int | 'x'|int | 'x'|int(5) | 'ff'|int(0, 16) | '0x1A'|int(0, 16) | true|int | none|int(3) | '2.5'|float | 'x'|float | 'x'|float(1.5) | 3|float | 'inf'|float | '1e3'|float | m|abs | f|round | 2.345|round(2) | 0.5|round | 1.5|round | 2.675|round(2) | 42.55|round(1, 'floor') | 42.51|round(0, 'ceil') | 7|round | 1234.5|round(-2) | 3.999|int | -3.7|int
undef|default('x') | none|default('x') | none|default('x', true) | ''|default('x', boolean=true) | ''|d('x') | d.zz|default('q') | undef is defined | none is defined | d.b is defined | d.zz is not defined
'<a href="x">&\'</a>'|escape | '<b>'|e | '<b>'|safe | '<p>a <b>b</b>\n  c</p>'|striptags | 'a b/c?d=é'|urlencode | {'a b': 'c&d', 'e': 1}|urlencode | 'hello world foo bar baz'|truncate(11) | 'hello world foo bar baz'|truncate(11, true) | 'hello world foo bar baz'|truncate(11, false, '…', 0) | 'short'|truncate(4) | 'a b, c-d_e'|wordcount
'a\nb\n\nc'|indent | 'a\nb\n\nc'|indent(2, true) | 'a\nb\n\nc'|indent(2, blank=true) | 'a\nb'|indent('> ') | 'a\n'|indent | ''|indent | s|trim | 'xxaxx'|trim('x') | '\u00a0a\u3000'|trim | '\ufeffa'|trim | '\x1ca\x85'|trim|length
1000|filesizeformat | 1536|filesizeformat(true) | 1|filesizeformat | 1500000|filesizeformat | 5|string | l|string | none|string | d|string
d|tojson | l|tojson | u|tojson | "a/b<c>&'\"\\\n\u2028\x7f"|tojson | u|tojson(ensure_ascii=true) | d|tojson(indent=2) | nested|tojson(indent=4) | []|tojson(indent=2) | {}|tojson(indent=2) | d|tojson(separators=(',', ':')) | d|tojson(sort_keys=true) | [1.0, 2.50, 1e20, true, none]|tojson | 'x'|tojson | none|tojson | (1, 2)|tojson | {1: 2, none: 3, true: 4}|tojson | [[], {}, [{}]]|tojson(indent=1) | l|tojson(indent=0)
n is odd | n is even | n is divisibleby(7) | n is divisibleby 7 | n is number | f is float | n is integer | b is boolean | b is number | b is integer | s is string | l is iterable | s is iterable | l is sequence | d is mapping | d is sequence | d is iterable | n is iterable | none is none | undef is undefined | undef is none | 'abc' is lower | 'ABC' is upper | '1' is lower | n is eq 7 | n is equalto(7) | n is ne 3 | n is gt 3 | n is lt(3) | n is ge 7 | n is in [7, 8] | n is sameas n | true is true | 1 is true | false is false | 'upper' is filter | 'odd' is test | range is callable | n is callable | n is not odd | 'a' is in 'abc' | none is not none or true
(1 if true) | (1 if false) | (1 if false else 2) | ('a' if e else 'b' if n else 'c') | (e or 'x') | (n and 'y') | (none or undef) | e and 1 | not e and n | 1 if n > 3 and n < 9 else 0 | -1|abs | (-1)|abs | 2 + 3|string|length | 'a' ~ 'b'|upper | n * 2 is even | not n is odd | -2 ** 2 | 2 ** 3 ** 2 | 10 - 3 - 2 | 1 + 2 ~ 'x' | 10 // 3 * 3 | 'x' in 'xy' and 'y' not in 'x'
range(5)|list | range(1, 8, 3)|list | range(5, 0, -2)|list | range(0)|list | range(10)[2:4]|list | range(4)|last | range(3)|length
strftime_now('%Y-%m-%d') | strftime_now('%d %b %Y') | strftime_now('%A, %B %d, %Y') | strftime_now('%H:%M:%S') | strftime_now('%I:%M %p') | strftime_now('%j %U %W %w %u %V %G') | strftime_now('%y%%') | strftime_now('%-d/%-m') | strftime_now('%e') | strftime_now('%D %T %R %F') | strftime_now('%x %X') | strftime_now('%c') | strftime_now('%a')
'\d\q\x41\u00e9\101\'\"\n' | "\\" | 'a\
b' | '\U0001F999' | "tab\tq"
none.x | undef.x | undef() | undef + 1 | 1 + 'a' | 'a' + 1 | 1 < 'a' | none + 1 | 1 / 0 | 1 // 0 | 5 % 0 | {}.x.y | l.append(1) | d.update({}) | d.pop('b') | 'a'.foo() | [1] + (2,) | 1 | length | x|nofilter | 1 is notest | d|tojson(foo=1) | range(200000) | raise_exception('no: ' ~ n) | undef|tojson | 'a'|first + 1 | l|sort(attribute='x') | ['a', 1]|sort | {}|first | namespace(_x=1) | 'a' 'b'.x.y | l[undef.x] | none|length | 5|list | 'abc'.index('q') | ''.split('')
"""

STATEMENTS = [
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }},{% else %}none{% endfor %}",
    "{% for x in [] %}{{ x }}{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for x in l %}{% if loop.index == 2 %}{% continue %}{% endif %}a{% if loop.index == 3 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}before{% if x == 1 %}{% continue %}{% endif %}after{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x) }}{% endfor %}",
    "{% set a = 1 %}{% for x in l %}{% set a = a + x %}{{ a }},{% endfor %}{{ a }}",
    "{% set ns = namespace(a=1, b='x') %}{% for x in l %}{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}{{ ns['a'] }}",
    "{% if false %}{% elif n == 7 %}seven{% else %}no{% endif %}{% if n %}{% set q = 5 %}{% endif %}{{ q }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = (1, 2) %}{{ c }}{% set x %}block {{ n }}{% endset %}{{ x|length }}{{ x }}",
    "{% set x | upper | replace('A', 'b') %}abc{% endset %}{{ x }}",
    "{% macro m(a, b=2, c=a) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m() }}{{ m.name }}",
    "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, z=4) }}",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in {{ n }}{% endcall %}",
    "{% macro m() %}<{{ caller('x', 2) }}>{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}",
    "{% macro m(x) %}{{ x }}{% if x > 0 %}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
    "{% macro m() %}{{ late }}{% endmacro %}{% set late = 'set' %}{{ m() }}",
    "{% macro m() %}{% set inner = 1 %}{{ inner }}{% endmacro %}{{ m() }}{{ inner is defined }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(q=2) }}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% filter upper %}abc {{ u }}{% endfilter %}",
    "{% for x in rows recursive %}{{ x.k }}{% if x.sub %}{{ loop(x.sub) }}{% endif %}{{ loop.depth }}{% endfor %}",
    "{% generation %}g{% endgeneration %}", "a{% raw %}{{ x }} {% if %}{% endraw %}b", "a\n{%- raw %}\n x \n{% endraw -%}\n b",
    "a {#- c -#} b", "a\n{# c #}\nb", "a\n  {# c #}\nb", "  {% if true %}\n  x\n  {% endif %}\ny", "a  {%- if true -%}  x  {%- endif -%}  b",
    "a {%+ if true %} x{% endif +%}\n b", "  {%+ if true %}x{% endif %}\n", "{{- ' a ' -}}  b", "a\n{{ 1 }}\nb\n", "a\n\n", "\n\na", "x{{ 1 }}\n  {% if 1 %}y{% endif %}  \n z",
    "{% if true %}a\r\nb\r{% endif %}\r\nc", "{{ '{{' }}{{ '%}' }}{{ \"}}\" }}", "{{ {'a': {'b': 1}} }}", "{{ {'a': {'b': 1}}['a'] }}", "{%if 1%}x{%endif%}{{n}}",
    "\t{% set a = 1 %}\n\t{{ a }}\n", "{% for x in 'ab' %}\n{{ x }}\n{% endfor %}\n", "{% set x = 1 %}\n\n{{ x }}", "a{% set x = 1 %}b\n   {% set y = 1 %}\n   c", "{% print n %}",
    "{% if x %}", "{{ 1", "{% endif %}", "{% foo %}", "{{ }}", "{% for x in l %}", "{{ 'abc }}", "{{ (1 }}", "{{ 1 ] }}", "{% break %}", "{# open", "{{ a b }}", "{% set x %}", "{{ $ }}",
    "{% for x in 5 %}{% endfor %}", "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% set n.x = 1 %}", "{{ n() }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% set x = l|select('odd') %}{{ x|list }}{{ x|list }}", "{{ 1 if l|select('gt', 100) else 2 }}", "{{ l|select('odd')|length }}",
    "{%- set msg = rows[0] %}{%- if 'k' in msg and msg['k'] == 'x' %}{{ msg.k ~ msg['v'] }}{% endif -%}",
    "{{ loop is defined }}{% for x in l %}{% set outer = loop %}{% for y in [1] %}{{ outer.index }}{{ loop.index }}{% endfor %}{% endfor %}",
    "{% set l2 = [] %}{% set l2 = l2 + [1] %}{{ l2 }}", "{{ none_value }}{{ none_value.x is defined }}", "{{ rows | map(attribute='k') | join(', ') }}",
]


def cases():
    for line in EXPRESSIONS.replace("\\\n", "\0").split("\n"):
        for expression in line.split(" | "):
            expression = expression.replace("\0", "\\\n")
            if expression.strip():
                yield "{{ " + expression.strip() + " }}"
    yield from STATEMENTS
