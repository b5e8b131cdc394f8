// SPDX-License-Identifier: Apache-2.0
// Finds the name that was probably meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace saspd {

// The name in `known` that differs from `word` by a typing error or in case; empty if there is
// none. The first of several equally near ones.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

// "; did you mean 'NAME'?" for the end of an error, with `before` in front of the name; empty if
// nothing is near.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known,
                         std::string_view before = {});

}  // namespace saspd
