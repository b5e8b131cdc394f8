// What all answers have in common when they are shown: careful reading of their JSON, and tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace saspd::ctl {

// --- reading an answer: whatever it lacks is absent, and no text of it can harm a terminal

const boost::json::value* find(const boost::json::object& object, std::string_view key);
std::string text(const boost::json::value& value);
std::string text(const boost::json::object& object, std::string_view key);  // "-" if absent
bool is_true(const boost::json::object& object, std::string_view key);
std::optional<std::int64_t> number(const boost::json::object& object, std::string_view key);
const boost::json::object* object_at(const boost::json::object& object, std::string_view key);
// The objects of an array, or its texts; none if there is no array.
std::vector<const boost::json::object*> objects(const boost::json::object& object,
                                                std::string_view key);
std::vector<std::string> texts(const boost::json::object& object, std::string_view key);

// --- writing it down

enum class Color { none, bold, good, doubtful, bad };
std::string painted(std::string_view text, Color color, bool colors);

struct Cell {
  std::string text;
  Color color = Color::none;
};
using Row = std::vector<Cell>;
// Columns as wide as their widest cell; the first row is the heading, and as long as any.
std::string table(const std::vector<Row>& rows, bool colors);

std::string duration(std::optional<std::int64_t> seconds, std::string_view otherwise);
std::string age(std::optional<std::int64_t> seconds);

// "192.0.2.1:80", "[2001:db8::1]:80"; a system member has no port (RFC 4678 5.1): "192.0.2.1".
std::string member_name(const boost::json::object& member);
// RFC 4678 5.3: ", quiesced, no contact": of the flags only what an operator should look at.
std::string doubts(const boost::json::object& flags);

}  // namespace saspd::ctl
