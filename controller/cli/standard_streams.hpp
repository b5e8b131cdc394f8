// SPDX-License-Identifier: Apache-2.0
// The three streams that a program is started with, which may be closed or full.
#pragma once

namespace saspd::cli {

// Call it first: a descriptor of ours in the place of a closed stderr, a peer's connection for
// example, would get the log. The substitute of a closed stream cannot be used like that stream, so
// that printing to a closed stdout stays an error.
void hold_standard_streams();

// Whether everything that was printed to stdout has arrived.
bool flush_stdout();

}  // namespace saspd::cli
