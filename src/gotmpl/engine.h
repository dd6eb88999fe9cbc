// Executes Go templates. An Engine holds the functions and the templates; templates of later Parse calls replace
// earlier ones of the same name, unless their body is blank.
//
//   Engine engine;
//   RegisterBuiltins(engine); RegisterSprig(engine);
//   FL_TRY(engine.Parse("hello", "Hello {{ .name | quote }}"));
//   FL_ASSIGN(std::string out, engine.Execute("hello", data));
//
// Failure: errors have Go's text, `template: NAME:LINE:COL: executing "DEF" at <CONTEXT>: message`. Depth, output and
// time are limited, so no template can hang its caller. Threading: Execute may not run on two threads at once.
#pragma once
#include "gotmpl/ast.h"
#include "util/clock.h"

namespace fairlead::gotmpl {

class Engine;

// A function gets evaluated arguments, the piped value last. Its error becomes "error calling NAME: message", or stands
// alone where it begins with "wrong number of args".
using Function = std::function<Result<Value>(Engine&, const List& args)>;

// What Go's reflection knows of a function: it checks arguments against these before it calls.
struct Signature {
  enum Type { kAny, kString, kInt, kBool, kFloat, kMap, kList };
  std::vector<Type> params;
  bool variadic = false;  // the last one may come any number of times
};

struct Limits {
  size_t output_bytes = 32u << 20;
  int call_depth = 200;           // nested template/include calls
  size_t stack_bytes = 4u << 20;  // of the thread that executes, which should have twice as much
  std::chrono::milliseconds time{10000};
};

// Where functions get what is not in their arguments; tests put something else in their place.
struct Sources {
  std::function<std::chrono::system_clock::time_point()> now = [] { return std::chrono::system_clock::now(); };
  std::function<std::string(size_t bytes)> random = RandomBytes;
  static std::string RandomBytes(size_t bytes);  // the kernel's
};

class Engine {
 public:
  explicit Engine(Limits limits = {}, Sources sources = {}) : limits_(limits), sources_(std::move(sources)) {}
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  void Register(const std::string& name, Function f) { functions_[name] = {std::nullopt, std::move(f)}; }
  void Register(const std::string& name, Signature s, Function f) { functions_[name] = {std::move(s), std::move(f)}; }
  const Sources& sources() const { return sources_; }
  bool HasFunction(const std::string& name) const { return functions_.contains(name); }
  Status Parse(const std::string& name, const std::string& text);
  bool HasTemplate(const std::string& name) const { return templates_.contains(name); }
  Result<std::string> Execute(const std::string& name, const Value& data);
  // Parses `text` with the templates defined so far and executes it (Helm's tpl). What it defines is gone afterwards.
  // `parsed` tells whether an error comes from the execution.
  Result<std::string> ExecuteText(const std::string& name, const std::string& text, const Value& data,
                                  bool* parsed = nullptr);
  // A function put a map or a list into this map. When the engine goes it empties the map: by then it may hold itself,
  // and nothing else would ever free it.
  void Filled(const MapPtr& map) { filled_.push_back(map); }

 private:
  friend class Executor;
  struct Registered {
    std::optional<Signature> signature;
    Function call;
  };
  Limits limits_;
  Sources sources_;
  std::map<std::string, Registered> functions_;
  std::map<std::string, std::shared_ptr<const Template>> templates_;
  std::vector<std::weak_ptr<Map>> filled_;
  int depth_ = 0;
  const char* stack_ = nullptr;  // where the outermost Execute began
  SteadyTime deadline_{};
  size_t written_ = 0;
};

// and or not eq ne lt le gt ge index slice len print printf println html js urlquery call
void RegisterBuiltins(Engine& engine);
// The functions of sprig v3.3 but for env and expandenv, one family a file.
void RegisterSprig(Engine& engine);

}  // namespace fairlead::gotmpl
