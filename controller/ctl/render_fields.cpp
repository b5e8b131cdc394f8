// SPDX-License-Identifier: Apache-2.0

#include "controller/ctl/render_fields.hpp"

#include <vector>

#include <fmt/format.h>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "controller/base/text.hpp"
#include "controller/ctl/table.hpp"

namespace saspd::ctl {
namespace {

namespace json = boost::json;

std::string text_of(const json::value& value) {
  if (value.is_null()) return "-";
  if (!value.is_string()) return json::serialize(value);
  return or_dash(printable(std::string_view(value.get_string())));
}

void add(const json::value& value, const std::string& path, std::vector<Row>& rows) {
  if (const auto* object = value.if_object()) {
    for (const auto& [key, field] : *object) {
      const auto name = printable(std::string_view(key));
      add(field, path.empty() ? name : fmt::format("{}.{}", path, name), rows);
    }
  } else if (const auto* array = value.if_array()) {
    for (std::size_t i = 0; i < array->size(); ++i)
      add((*array)[i], fmt::format("{}[{}]", path, i), rows);
  } else {
    rows.push_back({{path}, {text_of(value)}});
  }
}

}  // namespace

std::string render_fields(const json::object& answer, bool colors) {
  std::vector<Row> rows{{{"FIELD"}, {"VALUE"}}};
  for (const auto& [key, value] : answer) {
    const std::string_view name = key;
    if (name != "schema_version" && name != "program") add(value, printable(name), rows);
  }
  return table(rows, colors);
}

}  // namespace saspd::ctl
