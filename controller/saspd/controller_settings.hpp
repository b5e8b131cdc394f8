// What the options say to the controller.
#pragma once

#include <cstdint>

#include "controller/saspd/controller.hpp"
#include "controller/saspd/options.hpp"

namespace saspd {

// `seed`: see Controller::Settings.
Controller::Settings controller_settings(const Options& options, std::uint64_t seed);

}  // namespace saspd
