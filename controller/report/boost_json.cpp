// SPDX-License-Identifier: Apache-2.0
// Boost.JSON without its shared library: its functions are compiled here, once for all programs.
#include <boost/json/src.hpp>
