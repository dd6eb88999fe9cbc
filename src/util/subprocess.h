// Runs a program without a shell, feeds its standard input, collects its output, and ends it at a deadline.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "util/result.h"

namespace fairlead {

struct RunOptions {
  std::string input;
  std::vector<std::string> env;  // "K=V"; replaces the environment when `replace_env`
  bool replace_env = false;
  std::chrono::milliseconds timeout{30000};
  size_t output_limit = 4u << 20;  // more ends the program with an error
};

struct RunResult {
  int exit_status = 0;  // 128+N when signal N ended it
  std::string out;
  std::string err;
};

// kNotFound when argv[0] cannot be found, kDeadlineExceeded after the timeout (the program is then killed and reaped).
Result<RunResult> RunProgram(const std::vector<std::string>& argv, const RunOptions& options = {});

}  // namespace fairlead
