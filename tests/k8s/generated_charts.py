"""Charts that nobody wrote: random templates of every control structure and every function, the same ones each time. What is
random, slow or tells the time is asked for its shape only."""
import json
import random

STRINGS = ["", "a", "Hello World", "a,b,c", "  pad ", "x/y/z.txt", "1.2.3", "12", "3.7", "true", "UPPER_case", "é日本", "a\"b'c", "k: v", "{{ x }}", "multi\nline\n"]
VALUES = {
    "s": "text", "empty": "", "n": 3, "big": 1234567, "f": 1.5, "neg": -2, "t": True, "no": False, "nothing": None,
    "list": ["b", "a", "c", "a"], "numbers": [3, 1, 2], "mixed": [1, "two", None, True, {"k": "v"}, [1]],
    "map": {"x": "1", "y": {"z": [1, 2]}, "n": None}, "deep": {"a": {"b": {"c": "d"}}}, "yaml": "a: 1\nb: [x, y]\n", "json": "{\"a\": [1, 2]}",
    "template": "<{{ .Values.s }}>",
}


class Generator:
    def __init__(self, seed):
        self.seed, self.r, self.was_slow = seed, random.Random(seed), False
        self.variables = []
        self.templates = []

    def literal(self):
        s = self.r.choice(STRINGS)
        return "`" + s + "`" if self.r.random() < 0.2 and "`" not in s else json.dumps(s, ensure_ascii=False)

    def text(self, depth):
        r = self.r
        if depth <= 0 or r.random() < 0.25:
            names = [v for v, kind in self.variables if kind == "text"]
            return r.choice([self.literal(), ".Values.s", ".Values.empty", "$.Values.s", ".Release.Name", ".Chart.Name"] + names)
        t, n, l, d = (lambda: self.text(depth - 1)), (lambda: self.number(depth - 1)), (lambda: self.list(depth - 1)), (lambda: self.dict(depth - 1))
        a = self.any
        return "(" + r.choice([
            lambda: f"upper {t()}", lambda: f"lower {t()}", lambda: f"title {t()}", lambda: f"trim {t()}", lambda: f"quote {a(depth - 1)}", lambda: f"squote {t()}",
            lambda: f"trunc {r.randint(-5, 5)} {t()}", lambda: f"replace {t()} {t()} {t()}", lambda: f"repeat {r.randint(0, 3)} {t()}", lambda: f"indent {r.randint(0, 4)} {t()}",
            lambda: f"nindent {r.randint(0, 4)} {t()}", lambda: f"trimSuffix {t()} {t()}", lambda: f"trimPrefix {t()} {t()}", lambda: f"trimAll {self.literal()} {t()}",
            lambda: f"join {self.literal()} {l()}", lambda: f"printf \"%v-%s-%q\" {a(depth - 1)} {t()} {t()}", lambda: f"printf \"%d|%5d|%t\" {n()} {n()} {self.bool(depth - 1)}",
            lambda: f"default {t()} {a(depth - 1)} | toString", lambda: f"ternary {t()} {t()} {self.bool(depth - 1)}", lambda: f"toJson {a(depth - 1)}", lambda: f"toYaml {a(depth - 1)}",
            lambda: f"b64enc {t()}", lambda: f"b64dec (b64enc {t()})", lambda: f"sha256sum {t()}", lambda: f"kindOf {a(depth - 1)}", lambda: f"typeOf {a(depth - 1)}",
            lambda: f"snakecase {t()}", lambda: f"camelcase {t()}", lambda: f"kebabcase {t()}", lambda: f"swapcase {t()}", lambda: f"untitle {t()}", lambda: f"nospace {t()}",
            lambda: f"initials {t()}", lambda: f"abbrev {r.randint(4, 9)} {t()}", lambda: f"wrap 5 {t()}", lambda: f"plural \"one\" \"many\" {n()}", lambda: f"substr 0 {r.randint(0, 4)} {t()}",
            lambda: f"cat {t()} {a(depth - 1)} {t()}", lambda: f"base {t()}", lambda: f"dir {t()}", lambda: f"ext {t()}", lambda: f"clean {t()}", lambda: f"toString {a(depth - 1)}",
            lambda: f"regexReplaceAll \"[a-c]+\" {t()} \"<$0>\"", lambda: f"regexFind \"[a-z]+\" {t()}", lambda: f"toPrettyJson {a(depth - 1)}", lambda: f"print {a(depth - 1)} {a(depth - 1)}",
            lambda: f"html {t()}", lambda: f"js {t()}", lambda: f"urlquery {t()}", lambda: f"tpl .Values.template $", lambda: f"tpl {json.dumps('{{ . }}')} {t()}",
            lambda: f"get {d()} \"x\" | toString", lambda: f"coalesce {t()} {t()} \"c\"", lambda: f"adler32sum {t()}", lambda: f"htmlDate 86400", lambda: f"duration {t()}", lambda: f"{t()} | {r.choice(['upper', 'quote', 'trim', 'b64enc', 'nospace'])}",
            lambda: f"toYamlPretty {a(depth - 1)}", lambda: f"toRawJson {a(depth - 1)}", lambda: f"mustToJson {a(depth - 1)}", lambda: f"mustToPrettyJson {a(depth - 1)}", lambda: f"mustToRawJson {a(depth - 1)}", lambda: f"toToml {d()}",
            lambda: f"println {a(depth - 1)} {t()}", lambda: f"sha1sum {t()}", lambda: f"sha512sum {t()}", lambda: f"b32enc {t()}", lambda: f"b32dec (b32enc {t()})", lambda: f"trimall {self.literal()} {t()}", lambda: f"wrapWith 4 \"|\" {t()}",
            lambda: f"abbrevboth {r.randint(0, 3)} {r.randint(5, 9)} {t()}", lambda: f"osBase {t()}", lambda: f"osDir {t()}", lambda: f"osExt {t()}", lambda: f"osClean {t()}", lambda: f"regexReplaceAllLiteral \"a|e\" {t()} {self.literal()}",
            lambda: f"mustRegexReplaceAll \"(.)l\" {t()} \"${{1}}L\"", lambda: f"mustRegexReplaceAllLiteral \"o\" {t()} \"0\"", lambda: f"mustRegexFind \"[A-Z]\" {t()}", lambda: f"regexQuoteMeta {t()}", lambda: f"seq {r.randint(-3, 5)} {r.randint(0, 5)}", lambda: "hello",
            lambda: f"date \"2006-01-02\" (toDate \"2006-01-02\" \"2020-02-{r.randint(10, 29)}\")", lambda: f"dateInZone \"15:04 MST\" {r.randint(0, 99999)} \"UTC\"", lambda: f"date_in_zone \"Jan 2\" {r.randint(0, 9999999)} \"UTC\"", lambda: f"htmlDateInZone {r.randint(0, 9999999)} \"UTC\"",
            lambda: f"toDate \"2006\" \"{r.randint(1990, 2030)}\" | dateModify \"{r.randint(-9, 9)}h\" | date \"2006-01-02 15\"", lambda: "mustToDate \"2006-01-02\" \"2020-03-04\" | mustDateModify \"-1h\" | unixEpoch", lambda: "toDate \"2006\" \"2001\" | date_modify \"1h\" | unixEpoch",
            lambda: "toDate \"2006\" \"2002\" | must_date_modify \"2h\" | unixEpoch", lambda: "now | date \"2006\" | len | toString", lambda: "now | ago | typeOf", lambda: f"durationRound \"{r.randint(0, 900)}h{r.randint(0, 59)}m\"", lambda: f"required {self.literal()} {t()}", lambda: f"urlJoin {d()}",
            lambda: f"urlJoin (urlParse \"https://h:1/p?q={r.randint(0, 9)}#f\")", lambda: f"typeOf (semver \"1.{r.randint(0, 9)}.0\")", lambda: f"(semver \"1.{r.randint(0, 9)}.2\").Minor | toString", lambda: "getHostByName \"nowhere.invalid\"", lambda: f"toDecimal {self.literal()} | toString",
            lambda: f"index {l()} 0 | toString", lambda: f"index {d()} \"x\" | toString", lambda: f"dig \"a\" \"b\" \"none\" (dict \"a\" {d()}) | toString", lambda: f"first {l()} | toString", lambda: f"last {l()} | toString", lambda: f"mustFirst {l()} | toString", lambda: f"mustLast {l()} | toString",
            lambda: f"len (randAlpha {r.randint(0, 9)}) | toString", lambda: f"len (randAlphaNum {r.randint(0, 9)}) | toString", lambda: f"len (randNumeric {r.randint(0, 9)}) | toString", lambda: f"len (randAscii {r.randint(0, 9)}) | toString", lambda: f"len (randBytes {r.randint(0, 9)}) | toString",
            lambda: "randInt 4 5 | toString", lambda: f"len (shuffle {t()}) | toString", lambda: "len uuidv4 | toString", lambda: f"lookup \"v1\" \"Pod\" \"\" \"\" | toJson", lambda: f"call .Values.s", lambda: f"fail {t()}" if r.random() < 0.05 else "print",
            lambda: self.slow(),
            lambda: self.include(depth),
        ])() + ")"

    def slow(self):
        """Keys and password hashes, in a few charts."""
        if self.seed % 20 or self.was_slow:
            return "print"
        self.was_slow = True
        return self.r.choice([
            "genPrivateKey \"ecdsa\" | contains \"PRIVATE\" | toString", "genPrivateKey \"ed25519\" | contains \"PRIVATE\" | toString", "(genCA \"ca\" 1).Cert | trunc 27", "(genSelfSignedCert \"a.b\" (list \"10.0.0.1\") (list \"c.d\") 1).Key | trunc 27",
            "(genSignedCert \"a.b\" nil (list \"c.d\") 1 (genCA \"ca\" 1)).Cert | trunc 27", "(genCAWithKey \"ca\" 1 (genPrivateKey \"ecdsa\")).Cert | trunc 27", "(genSelfSignedCertWithKey \"a.b\" nil nil 1 (genPrivateKey \"ecdsa\")).Cert | trunc 27",
            "(genSignedCertWithKey \"a.b\" nil nil 1 (genCA \"ca\" 1) (genPrivateKey \"ecdsa\")).Cert | trunc 27", "(buildCustomCert (b64enc (genCA \"ca\" 1).Cert) (b64enc (genPrivateKey \"rsa\"))).Cert | trunc 27",
            "derivePassword 1 \"long\" \"pass\" \"user\" \"example.com\"", "htpasswd \"u\" \"p\" | len | toString", "bcrypt \"p\" | len | toString", "encryptAES \"key\" \"plain\" | decryptAES \"key\"",
        ])

    def include(self, depth):
        if not self.templates:
            return self.literal()
        return f"include {json.dumps(self.r.choice(self.templates))} {self.r.choice(['$', '.', self.dict(depth - 1)])}"

    def number(self, depth):
        r = self.r
        if depth <= 0 or r.random() < 0.4:
            return r.choice([str(r.randint(-9, 20)), "(int .Values.n)", "(int64 .Values.big)", "(len .Values.list)"])
        n = lambda: self.number(depth - 1)
        return "(" + r.choice([
            lambda: f"add {n()} {n()}", lambda: f"sub {n()} {n()}", lambda: f"mul {n()} {n()}", lambda: f"max {n()} {n()}", lambda: f"min {n()} {n()}", lambda: f"mod {n()} {r.randint(1, 7)}",
            lambda: f"div {n()} {r.randint(1, 7)}", lambda: f"add1 {n()}", lambda: f"len {self.list(depth - 1)}", lambda: f"int {self.any(depth - 1)}", lambda: f"int64 {self.text(depth - 1)}", lambda: f"atoi {self.text(depth - 1)}",
            lambda: f"biggest {n()} {n()}", lambda: f"int (floor {n()})", lambda: f"int (ceil {n()})", lambda: f"int (round {n()} 1)", lambda: f"int (addf {n()} 0.5)", lambda: f"int (add1f {n()})", lambda: f"int (subf {n()} 1.5)", lambda: f"int (mulf {n()} 0.5)",
            lambda: f"int (divf {n()} {r.randint(1, 7)})", lambda: f"int (maxf {n()} 1.5)", lambda: f"int (minf {n()} 2.5)", lambda: f"int (float64 {self.text(depth - 1)})", lambda: f"int (toDecimal {r.randint(0, 777)})",
        ])() + ")"

    def bool(self, depth):
        r = self.r
        if depth <= 0 or r.random() < 0.3:
            return r.choice(["true", "false", ".Values.t", ".Values.no"])
        t, n, b = (lambda: self.text(depth - 1)), (lambda: self.number(depth - 1)), (lambda: self.bool(depth - 1))
        return "(" + r.choice([
            lambda: f"eq {t()} {t()}", lambda: f"ne {t()} {t()}", lambda: f"lt {t()} {t()}", lambda: f"not {self.any(depth - 1)}", lambda: f"empty {self.any(depth - 1)}", lambda: f"contains {t()} {t()}",
            lambda: f"hasPrefix {t()} {t()}", lambda: f"hasSuffix {t()} {t()}", lambda: f"has {self.any(0)} {self.list(depth - 1)}", lambda: f"hasKey {self.dict(depth - 1)} \"x\"", lambda: f"and {b()} {b()} | empty | not",
            lambda: f"or {b()} {b()} | not | not", lambda: f"kindIs \"string\" {self.any(depth - 1)}", lambda: f"regexMatch \"^[a-z]\" {t()}", lambda: f"all {t()} {t()}", lambda: f"any {t()} {t()}", lambda: f"deepEqual {self.any(depth - 1)} {self.any(depth - 1)}",
            lambda: f"semverCompare \">=1.0\" \"1.2.{r.randint(0, 9)}\"", lambda: f"le {n()} {n()}", lambda: f"gt {n()} {n()}", lambda: f"ge {n()} {n()}", lambda: f"isAbs {t()}", lambda: f"osIsAbs {t()}", lambda: f"typeIs \"string\" {self.any(depth - 1)}",
            lambda: f"typeIsLike \"int\" {self.any(depth - 1)}", lambda: f"mustHas {self.any(0)} {self.list(depth - 1)}", lambda: f"mustRegexMatch \"a$\" {t()}",
        ])() + ")"

    def list(self, depth):
        r = self.r
        if depth <= 0 or r.random() < 0.3:
            return r.choice([".Values.list", ".Values.numbers", ".Values.mixed", "(list)", "(list 1 \"a\" nil)"])
        l = lambda: self.list(depth - 1)
        return "(" + r.choice([
            lambda: f"list {self.any(depth - 1)} {self.text(depth - 1)}", lambda: f"append {l()} {self.any(depth - 1)}", lambda: f"prepend {l()} {self.text(depth - 1)}", lambda: f"concat {l()} {l()}", lambda: f"reverse {l()}", lambda: f"uniq {l()}",
            lambda: f"without {l()} {self.text(0)}", lambda: f"compact {l()}", lambda: f"rest {l()}", lambda: f"initial {l()}", lambda: f"sortAlpha {l()}", lambda: f"splitList \",\" {self.text(depth - 1)}", lambda: f"keys {self.dict(depth - 1)} | sortAlpha",
            lambda: f"until {r.randint(0, 5)}", lambda: f"untilStep {r.randint(0, 3)} {r.randint(4, 9)} 2", lambda: f"slice {l()} 0", lambda: f"chunk 2 {l()}", lambda: f"fromYamlArray \"[1, a]\"", lambda: f"fromJsonArray \"[1, null]\"", lambda: f"regexSplit \",\" {self.text(depth - 1)} -1",
            lambda: f"tuple {self.any(depth - 1)} nil", lambda: f"push {l()} {self.any(depth - 1)}", lambda: f"mustAppend {l()} 1", lambda: f"mustPush {l()} 1", lambda: f"mustPrepend {l()} 1", lambda: f"mustReverse {l()}", lambda: f"mustUniq {l()}", lambda: f"mustWithout {l()} \"a\"",
            lambda: f"mustCompact {l()}", lambda: f"mustRest {l()}", lambda: f"mustInitial {l()}", lambda: f"mustSlice {l()} 0", lambda: f"mustChunk 2 {l()}", lambda: f"pluck \"x\" {self.dict(depth - 1)} {self.dict(depth - 1)}", lambda: f"toStrings {l()}",
            lambda: f"regexFindAll \"[a-z]\" {self.text(depth - 1)} {r.randint(-1, 3)}", lambda: f"mustRegexFindAll \"l+\" {self.text(depth - 1)} -1", lambda: f"mustRegexSplit \" \" {self.text(depth - 1)} -1",
        ])() + ")"

    def dict(self, depth):
        r = self.r
        if depth <= 0 or r.random() < 0.3:
            return r.choice([".Values.map", ".Values.deep", "(dict)", "(dict \"x\" 1 \"y\" \"z\")"])
        d = lambda: self.dict(depth - 1)
        return "(" + r.choice([
            lambda: f"dict \"x\" {self.any(depth - 1)} {self.literal()} {self.text(depth - 1)}", lambda: f"merge (dict \"m\" {self.any(depth - 1)}) {d()}", lambda: f"mergeOverwrite (deepCopy {d()}) {d()}", lambda: f"pick {d()} \"x\" \"y\"", lambda: f"omit {d()} \"x\"",
            lambda: f"set (deepCopy {d()}) \"s\" {self.any(depth - 1)}", lambda: f"unset (deepCopy {d()}) \"x\"", lambda: f"fromYaml .Values.yaml", lambda: f"fromJson .Values.json", lambda: f"deepCopy {d()}", lambda: f"split \",\" {self.text(depth - 1)}", lambda: f"fromYaml {self.text(depth - 1)}",
            lambda: f"urlParse \"http://u@h:1/p?q#f\"", lambda: f"splitn \",\" 2 {self.text(depth - 1)}", lambda: f"mustMerge (dict \"m\" 1) {d()}", lambda: f"mustMergeOverwrite (deepCopy {d()}) {d()}", lambda: f"mustDeepCopy {d()}", lambda: f"mustFromJson .Values.json",
            lambda: "fromToml \"a = 1\\n[b]\\nc = [1, 2]\\n\"",
        ])() + ")"

    def any(self, depth):
        r = self.r
        if depth <= 0:
            return r.choice([self.literal(), str(r.randint(-3, 30)), ".Values.n", ".Values.f", ".Values.t", ".Values.nothing", ".Values.absent", ".Values.map.y.z", "nil" if r.random() < 0.1 else "\"x\"", "1.5", "1e6"])
        return r.choice([self.text, self.text, self.number, self.bool, self.list, self.dict])(depth)

    def body(self, depth, lines):
        r, out = self.r, []
        for _ in range(lines):
            kind = r.random()
            trim = r.choice([("{{", "}}"), ("{{-", "}}"), ("{{-", "-}}")]) if r.random() < 0.3 else ("{{", "}}")
            if depth <= 0 or kind < 0.45:
                self.line += 1
                out.append(f"k{self.line}: {{{{ {self.any(3)} | toString | quote }}}}\n")
            elif kind < 0.6:
                out.append(f"{trim[0]} if {self.any(2)} {trim[1]}\n{self.scope(depth - 1)}" + (f"{{{{ else if {self.bool(2)} }}}}\n{self.scope(depth - 1)}" if r.random() < 0.4 else "") + (f"{{{{- else }}}}\n{self.scope(depth - 1)}" if r.random() < 0.5 else "") + "{{ end }}\n")
            elif kind < 0.7:
                name = f"$v{len(self.variables)}"
                out.append(f"{{{{- range $i, {name} := {self.list(2)} }}}}\n# {{{{ $i }}}} {{{{ {name} | toString | quote }}}}\n" + (f"{{{{- if eq $i {r.randint(0, 3)} }}}}{{{{ {r.choice(['break', 'continue'])} }}}}{{{{ end }}}}\n" if r.random() < 0.5 else "") + "# after\n" + r.choice(["", "{{ else }}\n# none\n"]) + "{{ end }}\n")
            elif kind < 0.78:
                out.append(f"{{{{- range $k, $e := {self.dict(2)} }}}}\n# {{{{ $k | quote }}}} {{{{ $e | toJson }}}}\n{{{{- end }}}}\n")
            elif kind < 0.86:
                out.append(f"{{{{- with {self.any(2)} }}}}\n# {{{{ . | toJson }}}} {{{{ $.Values.s }}}}\n{{{{- else }}}}\n# without\n{{{{- end }}}}\n")
            elif kind < 0.93:
                name = f"$t{len(self.variables)}"
                out.append(f"{{{{- {name} := {self.text(2)} }}}}\n")
                self.variables.append((name, "text"))
            else:
                out.append("{{/* a comment */}}\n" + (f"# {{{{ template {json.dumps(r.choice(self.templates))} $ }}}}\n" if self.templates else ""))
        return "".join(out)

    def scope(self, depth):
        known = len(self.variables)
        text = self.body(depth, self.r.randint(1, 2))
        del self.variables[known:]
        return text

    line = 0

    def chart(self):
        helpers = ""
        for i in range(self.r.randint(1, 3)):
            helpers += f"{{{{- define \"h{i}\" -}}}}\n{{{{ {self.text(2).replace('.Values', '$.Values') if self.r.random() < 0.5 else self.literal()} }}}}\n{{{{- end }}}}\n"
            self.templates.append(f"h{i}")
        files = {"Chart.yaml": "apiVersion: v2\nname: generated\nversion: 0.1.0\n", "templates/_helpers.tpl": helpers, "values.yaml": json.dumps(VALUES)}
        for i in range(self.r.randint(1, 2)):
            self.variables = []
            files[f"templates/t{i}.yaml"] = "kind: ConfigMap\n" + self.body(3, self.r.randint(3, 8))
        return files
