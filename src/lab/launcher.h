// What runs in other namespaces: the lab starts itself again with `internal ...` and that process enters them.
// Processes started here die with the lab, however the lab ends.
#pragma once
#include <sys/types.h>

#include "value/json.h"

namespace fairlead::lab {

// The program's `internal` subcommands; called by main() before anything else. Returns the exit status.
int RunInternal(const std::vector<std::string>& args);

// Starts `/proc/self/exe internal args...`. Its standard output and error go to those descriptors (-1: inherited).
// `keep_stdin_open` gets the writing end of its standard input: closing it ends a node.
Result<pid_t> SpawnInternal(const std::vector<std::string>& args, int out_fd, int err_fd, int in_fd = -1);

// A container to start; see `internal container` in launcher.cc for what is made of it.
struct ContainerSpec {
  int node_pid = 0;        // whose mount namespace it starts from
  std::string netns_path;  // in the node; "" = the node's own
  std::string root;        // directory in the node for its root
  std::string image_dir;   // bound below /opt; "" = none
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::string working_dir = "/";
  int64_t uid = 0, gid = 0;
  std::vector<std::string> add_capabilities;  // NET_ADMIN...
  bool drop_all = false;
  struct Mount {
    std::string source, target;  // source: a path in the node
    bool read_only = false;
  };
  std::vector<Mount> mounts;
  std::map<std::string, std::string> files;  // written into the root: path -> content
};
Json ToJson(const ContainerSpec& c);
ContainerSpec ContainerSpecFromJson(const Json& j);

}  // namespace fairlead::lab
