// SPDX-License-Identifier: Apache-2.0
// The text of a story (tests/simulation/story.hpp lists its steps), for whoever plays it: the
// simulation, or the real programs on a real kernel.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace saspd::test {

struct StoryText {
  using Words = std::vector<std::string>;
  struct Line {
    unsigned number = 0;
    Words words;
    std::string text() const { return fmt::format("{}", fmt::join(words, " ")); }
  };

  std::string name;
  std::string wrong;  // with the text; empty: nothing
  std::vector<std::pair<unsigned, std::string>> options;
  Words initial;            // of the kernel
  std::vector<Line> lines;  // what happens

  static StoryText read(const std::string& path) {
    StoryText story;
    story.name = path;
    std::ifstream file(path);
    if (!file) story.wrong = "cannot be read";
    std::string text;
    for (unsigned number = 1; std::getline(file, text); ++number) {
      std::istringstream in(text.substr(0, text.find('#')));
      Words words;
      for (std::string word; in >> word;)
        words.push_back(word);
      if (!words.empty()) story.take({number, words});
    }
    if (story.wrong.empty() && story.initial.empty())
      story.wrong = "it does not say what the kernel is at first";
    return story;
  }

 private:
  void take(Line line) {
    const auto& words = line.words;
    if (words[0] == "option" && words.size() == 2) {
      options.emplace_back(line.number, words[1]);
    } else if (words[0] == "kernel" && words.size() > 2 && words[1] == "is") {
      initial.assign(words.begin() + 2, words.end());
    } else {
      lines.push_back(std::move(line));
    }
  }
};

}  // namespace saspd::test
