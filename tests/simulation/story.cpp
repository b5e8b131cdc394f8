// SPDX-License-Identifier: Apache-2.0

#include "tests/simulation/story.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/simulation/reference.hpp"
#include "tests/simulation/world.hpp"

namespace saspd::simulation {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

unsigned number(const std::string& word) {
  unsigned value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

std::string joined(const Words& words, std::size_t from) {
  return fmt::format(
      "{}", fmt::join(words.begin() + static_cast<std::ptrdiff_t>(from), words.end(), " "));
}

gwm::Advice advice_of(const std::string& word) {
  if (word == "q") return {true, true, true, 0};
  if (word == "?") return {true, false, false, 0};
  if (word == "down") return {false, true, false, 0};
  return {true, true, false, static_cast<std::uint16_t>(number(word))};
}

}  // namespace

Story Story::read(const std::string& path) {
  Story story;
  story.text_ = test::StoryText::read(path);
  story.options_.servers = static_cast<unsigned>(story.text_.initial.size());
  story.options_.happenings = 0;
  story.options_.reconcile_interval = 5;
  for (const auto& [line, option] : story.text_.options) {
    if (!story.options_.set(option))
      story.text_.wrong = fmt::format("line {}: no option '{}'", line, option);
  }
  return story;
}

std::string Story::tell(bool trace) const {
  if (!text_.wrong.empty()) return fmt::format("{}: {}", text_.name, text_.wrong);
  World world(options_, {}, trace);
  world.begin(text_.initial);
  for (const auto& line : text_.lines) {
    if (trace) fmt::print("--- {}\n", line.text());
    const auto wrong = carry_out(world, line);
    if (!wrong.empty())
      return fmt::format("{}:{}: {}: {}", text_.name, line.number, line.text(), wrong);
  }
  return {};
}

std::string Story::carry_out(World& world, const Line& line) const {
  const auto& words = line.words;
  const auto starts = [&words](std::initializer_list<const char*> with) {
    return words.size() >= with.size() && std::equal(with.begin(), with.end(), words.begin());
  };
  if (words[0] == "gwm") return of_gwm(world, line);
  if (words[0] == "somebody") return of_somebody(world, line);
  if (starts({"start"})) {
    world.start();
    world.pass(2s);
  } else if (starts({"stop"})) {
    world.end_life(false, std::nullopt);
  } else if (starts({"kill", "at", "call"}) && words.size() == 4) {
    world.kill_in_ = number(words[3]);
  } else if (starts({"kill"})) {
    world.end_life(true, std::nullopt);
  } else if (starts({"reboot"})) {
    const auto rules = world.judge_.save();
    world.end_life(true, std::nullopt);
    world.boot(rules);
  } else if (starts({"refuse", "write"}) && words.size() == 3) {
    world.refuse_in_ = number(words[2]);
  } else if (starts({"lose", "answer"}) && words.size() == 3) {
    world.lose_in_ = number(words[2]);
  } else if (starts({"keepalived", "fails"}) && words.size() == 3) {
    world.keepalived_writes(service_key(0), server_of(0, number(words[2]) - 1), false);
    world.pass(1s);
  } else if (starts({"keepalived", "finds"}) && words.size() == 3) {
    world.keepalived_writes(service_key(0), server_of(0, number(words[2]) - 1), true);
    world.pass(1s);
  } else if (starts({"undrain"}) && words.size() == 2) {
    const auto server = server_of(0, number(words[1]) - 1);
    world.judge_.given_back(server);
    world.within([&](Director& director) { director.undrain({std::nullopt, server}); });
  } else if (starts({"wait"}) && words.size() == 2) {
    world.pass(std::chrono::seconds{number(words[1])});
  } else if (starts({"kernel", "has"})) {
    const auto wanted = joined(words, 2);
    world.pass_until(60s, [&] { return world.weights(0) == wanted; });
    if (world.weights(0) == wanted) world.pass(30s);
    if (world.weights(0) != wanted) return "it has " + world.weights(0);
  } else if (starts({"never"})) {
    world.judge_.never(joined(words, 1), [&world] { return world.weights(0); });
  } else if (starts({"healthy"}) || starts({"unhealthy"})) {
    if (!world.director_) return "saspd does not run";
    const auto problems = world.director_->problems(world.now_);
    if (problems.empty() != (words[0] == "healthy"))
      return problems.empty() ? "all is well, it says" : problems[0];
  } else if (starts({"clients", "reach"})) {
    Words reached;
    const auto* service = world.ipvs_.find(service_key(0));
    for (const auto& [server, count] :
         service != nullptr ? clients_reach(*service) : std::map<Server, unsigned>{})
      reached.push_back(std::to_string(server.address.bytes()[3]));
    if (joined(reached, 0) != joined(words, 2)) return "they reach " + joined(reached, 0);
  } else {
    return "there is no such step";
  }
  return world.judge_.wrong();
}

std::string Story::of_gwm(World& world, const Line& line) const {
  const auto& words = line.words;
  if (words.size() < 2) return "there is no such step";
  const bool one = number(words[1]) > 0;
  const std::size_t at = one ? 2 : 1;
  if (words.size() <= at || (one && number(words[1]) > world.gwms_.size()))
    return "there is no such step";
  for (std::size_t n = 0; n < world.gwms_.size(); ++n) {
    if (one && n + 1 != number(words[1])) continue;
    Gwm& gwm = *world.gwms_[n];
    const auto& verb = words[at];
    if (verb == "says") {
      if (words.size() - at - 1 != options_.servers) return "it has not one word for each member";
      for (unsigned server = 0; server < options_.servers; ++server) {
        const auto endpoint = server_of(0, server);
        gwm.file()[group_name(0)][{endpoint.address, 6, endpoint.port}] =
            advice_of(words[at + 1 + server]);
      }
      gwm.file_changed(world.now_);
    } else if (verb == "dies") {
      gwm.dies(world.now_, !(words.size() > at + 1 && words[at + 1] == "forgetful"));
    } else if (verb == "starts") {
      gwm.start(world.now_);
    } else if (verb == "hangs") {
      gwm.hangs(true, world.now_);
    } else if (verb == "goes") {
      gwm.hangs(false, world.now_);
    } else if (verb == "refuses") {
      gwm.refuses(sasp::ReturnCode{0x11});
    } else if (verb == "answers") {
      gwm.refuses({});
    } else {
      return "there is no such step";
    }
  }
  return {};
}

std::string Story::of_somebody(World& world, const Line& line) const {
  const auto& words = line.words;
  const auto service = service_key(0);
  const std::string verb = words.size() > 1 ? words[1] : "";
  if (verb == "saves") {
    world.saved_ = world.judge_.save();
  } else if (verb == "clears") {
    world.ipvs_.flush(Author::human);
  } else if (verb == "restores" && world.saved_) {
    world.restore_rules(*world.saved_);
  } else if (words.size() > 2 && number(words[2]) > 0) {
    const auto server = server_of(0, number(words[2]) - 1);
    const auto* now = world.ipvs_.find(service);
    const auto* row = now != nullptr ? now->find(server) : nullptr;
    Real real = row != nullptr ? row->real : Real{};
    if (verb == "removes") {
      world.ipvs_.remove(Author::human, service, server);
    } else if (verb == "edits") {
      real.upper += 100;
      world.ipvs_.edit(Author::human, service, server, real);
    } else if (words.size() == 5 && (verb == "sets" || verb == "adds")) {
      real.weight = number(words[4]);
      const int error = verb == "sets" ? world.ipvs_.edit(Author::human, service, server, real)
                                       : world.ipvs_.add(Author::human, service, server, real);
      if (error != 0) return fmt::format("the kernel refuses it: errno {}", error);
    } else {
      return "there is no such step";
    }
  } else {
    return "there is no such step";
  }
  return world.judge_.wrong();
}

}  // namespace saspd::simulation
