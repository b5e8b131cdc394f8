// The three streams that a program is started with, which may be closed or full.
#pragma once

namespace saspd::cli {

// To be called first: a descriptor of ours at the place of a closed stderr would get the log, a
// peer's connection for example. What takes the place of a closed stream cannot be used the way
// that stream is, so that printing to a closed stdout stays an error.
void hold_standard_streams();

// Has everything that was printed to stdout arrived?
bool flush_stdout();

}  // namespace saspd::cli
