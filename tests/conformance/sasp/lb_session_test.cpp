// Every scripted conversation of tests/conformance/sasp/lb, fed whole, byte by byte, in odd pieces
// and cut at random: the session must not tell the difference.

#include <filesystem>

#include "tests/support/transcript.hpp"

namespace saspd::test {
namespace {

class LbTranscript : public ::testing::TestWithParam<std::string> {};

TEST_P(LbTranscript, HoldsHoweverTheBytesArrive) {
  for (const Cuts& cuts : all_cuts()) {
    SCOPED_TRACE(cuts.name);
    Transcript(cuts).run(std::string(TESTS_DIR) + "/conformance/sasp/lb/" + GetParam());
  }
}

std::vector<std::string> scripts() {
  std::vector<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(TESTS_DIR) + "/conformance/sasp/lb")) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Scripts, LbTranscript, ::testing::ValuesIn(scripts()),
                         [](const auto& script) {
                           std::string name = script.param.substr(0, script.param.rfind('.'));
                           for (char& c : name)
                             c = c == '-' || c == '.' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace saspd::test
