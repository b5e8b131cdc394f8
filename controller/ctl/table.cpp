#include "controller/ctl/table.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "controller/base/text.hpp"

namespace saspd::ctl {

namespace json = boost::json;

namespace {

// Characters of clean UTF-8; that some take two columns is left to the reader.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

const json::value* find(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string text(const json::value& value) {
  if (const auto* string = value.if_string()) return printable(*string);
  return printable(json::serialize(value));
}

std::string text(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value == nullptr ? "-" : text(*value);
}

bool is_true(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::optional<std::int64_t> number(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

const json::object* object_at(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value == nullptr ? nullptr : value->if_object();
}

std::vector<const json::object*> objects(const json::object& object, std::string_view key) {
  std::vector<const json::object*> found;
  const auto* value = find(object, key);
  const auto* array = value == nullptr ? nullptr : value->if_array();
  if (array == nullptr) return found;
  for (const auto& element : *array) {
    if (const auto* item = element.if_object()) found.push_back(item);
  }
  return found;
}

std::vector<std::string> texts(const json::object& object, std::string_view key) {
  std::vector<std::string> found;
  const auto* value = find(object, key);
  const auto* array = value == nullptr ? nullptr : value->if_array();
  if (array == nullptr) return found;
  for (const auto& element : *array)
    found.push_back(text(element));
  return found;
}

std::string painted(std::string_view text, Color color, bool colors) {
  if (!colors || color == Color::none) return std::string(text);
  const int code = color == Color::bold       ? 1
                   : color == Color::good     ? 32
                   : color == Color::doubtful ? 33
                                              : 31;
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string table(const std::vector<Row>& rows, bool colors) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width(row[i].text));
  }
  std::string out;
  for (const auto& row : rows) {
    out += "  ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += painted(row[i].text, row[i].color, colors);
      if (i + 1 < row.size()) out.append(widths[i] - width(row[i].text) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string duration(std::optional<std::int64_t> seconds, std::string_view otherwise) {
  if (!seconds) return std::string(otherwise);
  const auto s = *seconds;
  if (s < 120) return fmt::format("{} s", s);
  if (s < 7200) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 172'800) return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
  return fmt::format("{} d {} h", s / 86'400, s % 86'400 / 3600);
}

std::string age(std::optional<std::int64_t> seconds) {
  return seconds ? duration(seconds, "") + " ago" : "never";
}

std::string member_name(const json::object& member) {
  auto address = text(member, "address");
  if (number(member, "port") == 0) return address;
  const bool v6 = address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address, v6 ? "]" : "", text(member, "port"));
}

std::string doubts(const json::object& flags) {
  std::string out;
  if (is_true(flags, "quiesce")) out += ", quiesced";
  if (!is_true(flags, "contact")) out += ", no contact";
  if (!is_true(flags, "confident")) out += ", not confident";
  return out;
}

}  // namespace saspd::ctl
