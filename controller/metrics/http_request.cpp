// SPDX-License-Identifier: Apache-2.0

#include "controller/metrics/http_request.hpp"

#include <algorithm>
#include <cstdint>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

namespace saspd::metrics {

namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

using Page = HttpVerdict::Page;

http::status status_of(const error_code& ec) {
  if (ec == http::error::bad_version) return http::status::http_version_not_supported;
  return http::status::bad_request;
}

Page page_of(std::string_view target) {
  const auto path = target.substr(0, target.find('?'));
  return path == "/metrics"   ? Page::metrics
         : path == "/healthz" ? Page::health
         : path == "/"        ? Page::root
                              : Page::reason;
}

bool asks_strictly(std::string_view target) {
  return target.substr(std::min(target.size(), target.find('?'))) == "?degraded=fail";
}

}  // namespace

HttpVerdict judge_request(std::string_view header) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(header.size()) + 1);  // the caller has a limit
  parser.body_limit(boost::none);
  error_code ec;
  const auto used = parser.put(boost::asio::buffer(header), ec);
  if (ec || !parser.is_header_done() || used != header.size()) return {status_of(ec)};
  // Where another request begins would be known after the body only.
  if (!parser.is_done()) return {http::status::payload_too_large};

  const auto& request = parser.get();
  HttpVerdict verdict;
  verdict.head_only = request.method() == http::verb::head;
  verdict.keep_alive = parser.keep_alive();
  verdict.version = request.version();
  verdict.page = page_of(request.target());
  verdict.strict = asks_strictly(request.target());
  if (request.method() != http::verb::get && !verdict.head_only) {
    verdict.status = http::status::method_not_allowed;
    verdict.page = Page::reason;
  } else if (verdict.page == Page::reason) {
    verdict.status = http::status::not_found;
  }
  return verdict;
}

}  // namespace saspd::metrics
