// SPDX-License-Identifier: Apache-2.0

#include "controller/report/json.hpp"

#include <concepts>
#include <map>
#include <type_traits>

#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/mp11/algorithm.hpp>

#include "controller/base/text.hpp"
#include "controller/report/gwm.hpp"
#include "controller/report/saspd.hpp"

// Boost.JSON's own conversion of described structs refuses an object with a key too many or too
// few, and knows no key that is left out.

namespace saspd::report {

namespace json = boost::json;
namespace describe = boost::describe;
using boost::mp11::mp_for_each;

namespace {

// --- words

constexpr std::string_view word(std::string_view enumerator) {
  if (enumerator.ends_with('_')) enumerator.remove_suffix(1);  // of a keyword
  return enumerator;
}

template <class Enum>
std::string_view word_of(Enum value) {
  std::string_view found = "unknown";
  mp_for_each<describe::describe_enumerators<Enum>>([&](auto each) {
    if (each.value == value) found = word(each.name);
  });
  return found;
}

template <class Enum>
Word<Enum> to_word(std::string_view text) {
  std::optional<Enum> known;
  mp_for_each<describe::describe_enumerators<Enum>>([&](auto each) {
    if (word(each.name) == text) known = each.value;
  });
  return known ? Word<Enum>(*known) : Word<Enum>(printable(text));
}

// --- what a field is

template <class Value, template <class...> class Kind>
struct Is : std::false_type {};
template <class... Parts, template <class...> class Kind>
struct Is<Kind<Parts...>, Kind> : std::true_type {};

template <class Value>
concept Described = describe::has_describe_members<Value>::value;
template <class Value>
concept AWord = Is<Value, Word>::value;
template <class Value>
concept AnOptional = Is<Value, std::optional>::value || Is<Value, Maybe>::value;
template <class Value>
concept AMerged = Is<Value, Merged>::value;
template <class Value>
struct Names : std::false_type {};
template <class Value>
struct Names<Dictionary<Value>> : std::true_type {};
template <class Value>
concept ADictionary = Names<Value>::value;
template <class Value>
concept AnArray = Is<Value, std::vector>::value && !ADictionary<Value>;

template <Described Struct, class Each>
void for_each_field(Each each) {
  using Fields = describe::describe_members<Struct, describe::mod_public | describe::mod_inherited>;
  mp_for_each<Fields>(each);
}

// --- to JSON

template <Described Struct>
void write_fields(const Struct& from, json::object& to);

template <class Value>
json::value written(const Value& from) {
  if constexpr (Described<Value>) {
    json::object object;
    write_fields(from, object);
    return object;
  } else if constexpr (AWord<Value>) {
    return json::string(from.text());
  } else if constexpr (AnOptional<Value>) {
    return from ? written(*from) : json::value(nullptr);
  } else if constexpr (ADictionary<Value>) {
    json::object object;
    for (const auto& [key, value] : from)
      object[key] = written(value);
    return object;
  } else if constexpr (AnArray<Value>) {
    json::array array;
    array.reserve(from.size());
    for (const auto& element : from)
      array.push_back(written(element));
    return array;
  } else {
    return json::value(from);
  }
}

template <class Value>
void write_field(const Value& from, std::string_view key, json::object& to) {
  if constexpr (AMerged<Value>) {
    if (from) write_fields(*from, to);
  } else if constexpr (Is<Value, Maybe>::value) {
    if (from) to[key] = written(*from);
  } else {
    to[key] = written(from);
  }
}

template <Described Struct>
void write_fields(const Struct& from, json::object& to) {
  for_each_field<Struct>([&](auto field) { write_field(from.*field.pointer, field.name, to); });
}

// --- keys

template <Described Struct>
void add_paths(const std::string& before, std::vector<std::string>& paths);

template <class Value>
void add_paths_of(const std::string& path, std::vector<std::string>& paths) {
  if constexpr (AnOptional<Value>) {
    add_paths_of<typename Value::value_type>(path, paths);
  } else if constexpr (AnArray<Value>) {
    add_paths_of<typename Value::value_type>(path + "[]", paths);
  } else {
    paths.push_back(path);
    if constexpr (Described<Value>) add_paths<Value>(path + ".", paths);
  }
}

template <Described Struct>
void add_paths(const std::string& before, std::vector<std::string>& paths) {
  for_each_field<Struct>([&](auto field) {
    using Value = std::remove_cvref_t<decltype(std::declval<Struct>().*field.pointer)>;
    if constexpr (AMerged<Value>) {
      add_paths<typename Value::value_type>(before, paths);
    } else {
      add_paths_of<Value>(before + field.name, paths);
    }
  });
}

// --- from JSON

template <Described Struct>
bool read_fields(const json::object& from, Struct& to);

// Whether `from` has the form of `to`; if not, `to` is as before.
template <class Value>
bool read(const json::value& from, Value& to) {
  if constexpr (Described<Value>) {
    if (!from.is_object()) return false;
    read_fields(from.get_object(), to);
    return true;
  } else if constexpr (AWord<Value>) {
    if (!from.is_string()) return false;
    to = to_word<std::remove_cvref_t<decltype(*to.known())>>(from.get_string());
    return true;
  } else if constexpr (AnOptional<Value>) {
    if (from.is_null()) return true;
    typename Value::value_type value{};
    if (!read(from, value)) return false;
    to = std::move(value);
    return true;
  } else if constexpr (ADictionary<Value>) {
    if (!from.is_object()) return false;
    for (const auto& [key, element] : from.get_object()) {
      typename Value::value_type::second_type value{};
      if (read(element, value)) to.emplace_back(printable(key), std::move(value));
    }
    return true;
  } else if constexpr (AnArray<Value>) {
    if (!from.is_array()) return false;
    for (const auto& element : from.get_array()) {
      typename Value::value_type value{};
      if (read(element, value)) to.push_back(std::move(value));
    }
    return true;
  } else if constexpr (std::same_as<Value, bool>) {
    if (!from.is_bool()) return false;
    to = from.get_bool();
    return true;
  } else if constexpr (std::integral<Value>) {
    boost::system::error_code ec;
    const auto value = from.to_number<Value>(ec);
    if (!ec) to = value;
    return !ec;
  } else {
    if (!from.is_string()) return false;
    to = printable(from.get_string());
    return true;
  }
}

template <Described Struct>
bool read_fields(const json::object& from, Struct& to) {
  bool any = false;
  for_each_field<Struct>([&](auto field) {
    auto& value = to.*field.pointer;
    using Value = std::remove_cvref_t<decltype(value)>;
    if constexpr (AMerged<Value>) {
      typename Value::value_type part{};
      if (read_fields(from, part)) value = std::move(part);
    } else if (const auto* found = from.if_contains(field.name)) {
      any = read(*found, value) || any;
    }
  });
  return any;
}

}  // namespace

std::string_view name(Reason reason) {
  return word_of(reason);
}
std::string_view name(ZeroAuthor author) {
  return word_of(author);
}
std::string_view name(Doubt doubt) {
  return word_of(doubt);
}
std::string_view name(ProbeState state) {
  return word_of(state);
}
std::string_view name(AdviceState state) {
  return word_of(state);
}
std::string_view name(OnStale action) {
  return word_of(action);
}
std::string_view name(DriftPolicy policy) {
  return word_of(policy);
}
std::string_view name(HealthState state) {
  return word_of(state);
}
std::string_view name(EventKind kind) {
  return word_of(kind);
}
std::string_view name(EventPhase phase) {
  return word_of(phase);
}
std::string_view name(EventLevel level) {
  return word_of(level);
}
std::string_view name(PaceRule rule) {
  return word_of(rule);
}

template <class Answer>
json::object to_json(const Answer& answer) {
  json::object object;
  write_fields(answer, object);
  return object;
}

template <class Answer>
Answer from_json(const json::object& object) {
  Answer answer;
  read_fields(object, answer);
  return answer;
}

template <class Answer>
std::vector<std::string> key_paths() {
  std::vector<std::string> paths;
  add_paths<Answer>({}, paths);
  return paths;
}

#define SASPD_ANSWER(Answer)                      \
  template json::object to_json(const Answer&);   \
  template Answer from_json(const json::object&); \
  template std::vector<std::string> key_paths<Answer>();
#define SASPD_COMMAND(command, Answer) SASPD_ANSWER(Answer)

SASPD_ANSWERS(SASPD_COMMAND)
SASP_GWM_ANSWERS(SASPD_COMMAND)
SASPD_ANSWER(Answer)
SASPD_ANSWER(Refusal)
SASPD_ANSWER(Watch)
SASPD_ANSWER(gwm::Watch)
SASPD_ANSWER(WatchEvent)
SASPD_ANSWER(Event)
SASPD_ANSWER(Override)
SASPD_ANSWER(Overridden)
SASPD_ANSWER(Health)
SASPD_ANSWER(WithHealth)

}  // namespace saspd::report
