// SPDX-License-Identifier: Apache-2.0
// What a program that read its configuration again has taken over, or would.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/report/fields.hpp"

namespace saspd::report {

struct ChangedKey {
  std::string key;
  bool repeats = false;  // it may have several values
  std::vector<std::string> removed;
  std::vector<std::string> added;
  bool reordered = false;
};
BOOST_DESCRIBE_STRUCT(ChangedKey, (), (key, repeats, removed, added, reordered))

struct Reload {
  std::int64_t schema_version = report::schema_version;
  bool dry_run = false;
  std::optional<std::string> config;  // the file; null: there is none, only other files were read
  std::vector<ChangedKey> changes;
  std::vector<std::string> errors;  // with any of them, nothing was taken over
  std::string program{"saspd"};
};
BOOST_DESCRIBE_STRUCT(Reload, (), (schema_version, dry_run, config, changes, errors, program))

}  // namespace saspd::report
