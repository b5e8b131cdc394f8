// SPDX-License-Identifier: Apache-2.0
// What the options, and the data plane, say to the controller.
#pragma once

#include <cstdint>

#include "controller/saspd/controller.hpp"
#include "controller/saspd/options.hpp"

namespace saspd::director {

// `seed`: see Controller::Settings.
Controller::Settings controller_settings(const Options& options, std::uint64_t seed);

}  // namespace saspd::director
