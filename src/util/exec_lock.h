// Programs are not started while a file that others will execute is open for writing here: the new process would hold it
// open until it executes its own, and who executes the file meanwhile is told ETXTBSY.
#pragma once
#include <shared_mutex>

namespace fairlead {

// Who starts a program shares it; who writes an executable file has it alone, from opening to closing.
inline std::shared_mutex g_exec_lock;

}  // namespace fairlead
