// SPDX-License-Identifier: Apache-2.0
// Plays a story of tests/simulation/stories with the real programs on a real kernel. A second of the
// story is a tenth of one here: the GWM's interval and the reconcile interval are as much shorter.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "tests/support/program.hpp"
#include "tests/support/story.hpp"

namespace saspd::test {

// Where it is played. Weights are those of the kernel, read without any code of ours: "40 0 - 10".
class Stage {
 public:
  Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  virtual ~Stage() = default;

  virtual void set_up(const StoryText::Words& weights) = 0;
  virtual void start_saspd() = 0;
  virtual void start_gwm() = 0;
  virtual Program& saspd() = 0;
  virtual Program& gwm() = 0;
  virtual void forget_gwm_state() = 0;
  virtual void advise(const StoryText::Words& words) = 0;
  virtual std::string weights() = 0;
  virtual bool is_healthy() = 0;                // saspctl status --check
  virtual std::set<std::size_t> reached() = 0;  // by new connections; members from 1
  // False: nobody can do that here.
  virtual bool somebody(const StoryText::Words& words) = 0;
};

class StoryPlayer {
 public:
  // Watches what never may be.
  explicit StoryPlayer(Stage& stage) : stage_(stage), watch_([this] { watch(); }) {}
  StoryPlayer(const StoryPlayer&) = delete;
  StoryPlayer& operator=(const StoryPlayer&) = delete;
  ~StoryPlayer() {
    done_ = true;
    watch_.join();
  }

  // Whether all of its steps can be played with the real programs, with these options.
  static bool can_play(const StoryText& story, const std::set<std::string>& options) {
    const bool knows_options =
        std::all_of(story.options.begin(), story.options.end(),
                    [&](const auto& option) { return options.contains(option.second); });
    return knows_options && story.options.size() == options.size() && story.initial.size() <= 4 &&
           std::all_of(story.lines.begin(), story.lines.end(),
                       [](const auto& line) { return is_known(line.words); });
  }

  // What is wrong; empty: nothing.
  std::string play(const StoryText& story) {
    if (!story.wrong.empty()) return story.wrong;
    stage_.set_up(story.initial);
    stage_.advise(StoryText::Words(story.initial.size(), "?"));
    stage_.start_gwm();
    for (const auto& line : story.lines) {
      std::string wrong = step(line.words);
      if (wrong.empty()) wrong = seen();
      if (!wrong.empty())
        return fmt::format("{}:{}: {}: {}", story.name, line.number, line.text(), wrong);
    }
    return {};
  }

 private:
  using Words = StoryText::Words;
  static bool starts(const Words& words, std::initializer_list<const char*> with) {
    return words.size() >= with.size() && std::equal(with.begin(), with.end(), words.begin());
  }
  static bool is_known(const Words& words) {
    if (starts(words, {"kill", "at"})) return false;
    if (words[0] == "gwm")
      return words.size() > 1 && std::isalpha(words[1][0]) != 0 && words[1] != "refuses" &&
             words[1] != "answers";
    static const std::set<std::string> verbs{"start",   "stop",    "kill",    "wait",
                                             "kernel",  "never",   "healthy", "unhealthy",
                                             "clients", "somebody"};
    return verbs.contains(words[0]);
  }
  static std::string joined(const Words& words, std::size_t from) {
    return StoryText::Line{0, Words(words.begin() + static_cast<std::ptrdiff_t>(from), words.end())}
        .text();
  }
  static bool comes(const std::function<bool()>& condition) {
    return eventually(condition, std::chrono::seconds{120});
  }

  std::string step(const Words& words) {
    if (words[0] == "start") return stage_.start_saspd(), "";
    if (words[0] == "stop") return ended(SIGTERM);
    if (words[0] == "kill") return ended(SIGKILL);
    if (words[0] == "gwm") return of_gwm(words);
    if (words[0] == "wait")
      return wait(std::chrono::milliseconds{100 * std::stoul(words.at(1))}), "";
    if (words[0] == "never") return never(joined(words, 1));
    if (words[0] == "somebody") return stage_.somebody(words) ? "" : "nobody can do that here";
    if (starts(words, {"kernel", "has"})) return kernel_has(joined(words, 2));
    if (words[0] == "healthy" || words[0] == "unhealthy") return health(words[0] == "healthy");
    if (starts(words, {"clients", "reach"})) return reach(joined(words, 2));
    return "there is no such step";
  }
  std::string ended(int signal) {
    stage_.saspd().send(signal);
    return stage_.saspd().wait(std::chrono::seconds{60}) ? "" : "saspd does not end";
  }
  std::string of_gwm(const Words& words) {
    const auto& verb = words[1];
    if (verb == "says") return stage_.advise(Words(words.begin() + 2, words.end())), "";
    if (verb == "starts") return stage_.start_gwm(), "";
    if (verb == "hangs") return stage_.gwm().send(SIGSTOP), "";
    if (verb == "goes") return stage_.gwm().send(SIGCONT), "";
    if (verb != "dies") return "there is no such step";
    stage_.gwm().send(SIGTERM);
    if (!stage_.gwm().wait(std::chrono::seconds{60})) return "it does not end";
    if (words.back() == "forgetful") stage_.forget_gwm_state();
    return "";
  }
  std::string kernel_has(const std::string& wanted) {
    if (!comes([&] { return stage_.weights() == wanted; })) return "it has " + stage_.weights();
    // Over three looks at the kernel.
    for (int look = 0; look < 15; ++look) {
      wait(std::chrono::milliseconds{200});
      if (const auto now = stage_.weights(); now != wanted)
        return "it has " + now + " a moment later";
    }
    return "";
  }
  std::string health(bool wanted) {
    return comes([&] { return stage_.is_healthy() == wanted; }) ? ""
           : wanted                                             ? "it is not well"
                                                                : "all is well, it says";
  }
  std::string reach(const std::string& wanted) {
    const auto reached = fmt::format("{}", fmt::join(stage_.reached(), " "));
    return reached == wanted ? "" : "they reach " + reached;
  }
  static void wait(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

  std::string never(const std::string& weights) {
    const std::lock_guard lock(mutex_);
    never_.insert(weights);
    return "";
  }
  void watch() {
    for (; !done_; wait(std::chrono::milliseconds{20})) {
      const std::lock_guard lock(mutex_);
      if (never_.empty()) continue;
      if (const auto now = stage_.weights(); never_.contains(now)) seen_ = now;
    }
  }
  std::string seen() {
    const std::lock_guard lock(mutex_);
    return seen_.empty() ? "" : "the kernel has had " + seen_;
  }

  Stage& stage_;
  std::mutex mutex_;
  std::set<std::string> never_;
  std::string seen_;
  std::atomic<bool> done_ = false;
  std::thread watch_;  // last: it uses the others
};

// The stories below tests/simulation that can be played with these options: a few, and all of them
// with SASPD_STORIES=all.
inline std::vector<std::string> stories_with(const std::set<std::string>& options,
                                             const std::set<std::string>& few) {
  const char* all = std::getenv("SASPD_STORIES");
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(TESTS_DIR "/simulation/stories")) {
    const auto name = entry.path().stem().string();
    if (all == nullptr && !few.contains(name)) continue;
    if (StoryPlayer::can_play(StoryText::read(entry.path()), options)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace saspd::test
