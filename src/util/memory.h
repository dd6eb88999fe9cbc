// Memory that a program which runs on every node need not hold.
#pragma once

namespace fairlead {

// Gives pages of program text back that were touched once, while libraries started or something rare was done: the
// kernel keeps them in its cache, and what is used again comes back with a minor fault. Nothing that was written to is
// touched.
void DropTextPages();

}  // namespace fairlead
