// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/http_answer.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace saspd::gwm {
namespace {

std::string outcome(const HttpAnswer& answer) {
  const auto result = answer.result();
  return result ? std::to_string(*result) : result.error().detail;
}

// Whatever pieces it comes in.
std::string read(std::string_view bytes) {
  HttpAnswer whole;
  whole.take(bytes);
  HttpAnswer by_byte;
  for (std::size_t i = 0; i < bytes.size() && !by_byte.take(bytes.substr(i, 1)); ++i) {
  }
  EXPECT_EQ(outcome(by_byte), outcome(whole)) << bytes.substr(0, 100);
  for (std::size_t cut = 0; cut < std::min<std::size_t>(bytes.size(), 200); ++cut) {
    HttpAnswer in_two;
    if (!in_two.take(bytes.substr(0, cut))) in_two.take(bytes.substr(cut));
    EXPECT_EQ(outcome(in_two), outcome(whole)) << bytes.substr(0, 100) << " at " << cut;
  }
  return outcome(whole);
}

TEST(HttpAnswer, ReadsTheFinalStatus) {
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "200");
  EXPECT_EQ(read("HTTP/1.0 204\n\n"), "204");
  EXPECT_EQ(read("HTTP/1.1 404 Not Found\r\nA: b\r\n c\r\n\r\nbody\r\n"), "404");
  EXPECT_EQ(read("HTTP/1.1 100 Go on\r\nA: b\r\n\r\nHTTP/1.1 103 X\n\nHTTP/1.1 503 X\r\n\r\n"),
            "503");
  EXPECT_EQ(read("HTTP/1.1 101 Switching\r\n\r\n"), "101");
}

TEST(HttpAnswer, SaysWhatIsWrong) {
  EXPECT_EQ(read(""), "closed without an answer");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n"), "closed in the middle of its answer");
  EXPECT_EQ(read("HTTP/1.1 100 OK\r\n\r\n"), "closed in the middle of its answer");
  EXPECT_EQ(read("220 \x1B[2J mail\r\n"), "not an HTTP answer: it begins with '220 \\x1b[2J mail'");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"),
            "not an HTTP answer: 'nonsense' is not a header");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n folded\r\n\r\n"),
            "not an HTTP answer: ' folded' is not a header");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\ncontent-LENGTH: 1, 2\r\n\r\n"),
            "not an HTTP answer: its Content-Length is not one number");
}

TEST(HttpAnswer, HasALimit) {
  const auto of_size = [](std::size_t size) {
    const std::string begin = "HTTP/1.1 200 OK\r\nA: ";
    const std::string end = "\r\n\r\n";
    return begin + std::string(size - begin.size() - end.size(), 'a') + end;
  };
  EXPECT_EQ(read(of_size(60000)), "200");
  EXPECT_EQ(read(of_size(70000)), "the HTTP header is longer than 65536 bytes");
  std::string interim;
  while (interim.size() < 70000)
    interim += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(read(interim), "the HTTP header is longer than 65536 bytes");
}

}  // namespace
}  // namespace saspd::gwm
