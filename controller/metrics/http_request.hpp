// SPDX-License-Identifier: Apache-2.0
// What a request for metrics asks for, and what it gets. Pure: Beast parses the bytes.
#pragma once

#include <ostream>  // what Boost.Beast takes for granted
#include <string_view>

#include <boost/beast/http/status.hpp>

namespace saspd::metrics {

struct HttpVerdict {
  enum class Page { reason, root, metrics, health };

  boost::beast::http::status status = boost::beast::http::status::ok;
  Page page = Page::reason;  // the status in words, unless it is ok
  bool strict = false;       // of health: degraded counts as failed
  bool head_only = false;    // the answer has no body
  bool keep_alive = false;   // another request may follow
  unsigned version = 11;     // of HTTP, as Beast writes it
};

// `header` is all of a request up to and including its empty line. Whatever follows is another
// request: a request with a body is refused.
HttpVerdict judge_request(std::string_view header);

}  // namespace saspd::metrics
