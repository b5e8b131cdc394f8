// SPDX-License-Identifier: Apache-2.0
// What keepalived reports about its checks (lvs_notify_fifo of keepalived.conf(5)): the only way to
// know that it holds a server at 0 where our own zero already is.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/address.hpp"
#include "controller/base/descriptor.hpp"
#include "controller/lb/service.hpp"

namespace saspd::director {

struct KeepalivedNews {
  Endpoint server;
  // Its service; several if the line leaves that open. Empty: every service, because a group of
  // virtual servers has a name that only keepalived knows.
  std::vector<lb::ServiceKey> services;
  bool up = false;
  bool operator==(const KeepalivedNews&) const = default;
};

// Parses "RS [10.0.0.1]:tcp:80 [192.0.2.10]:tcp:80 DOWN" of keepalived 2.2. Empty for another line.
std::optional<KeepalivedNews> parse_keepalived_line(std::string_view line);

// Bytes in, news out. A line that is too long for one of keepalived's is skipped.
class KeepalivedLines {
 public:
  std::vector<KeepalivedNews> append(std::string_view bytes);
  void clear();

 private:
  std::string rest_;
  bool passing_over_ = false;
};

class KeepalivedFifo {
 public:
  explicit KeepalivedFifo(std::string path) : path_(std::move(path)) {}

  // The news since the last call. Creates the FIFO if there is none; opens it again if it was
  // replaced, after reading the old one to its end.
  std::vector<KeepalivedNews> read();
  // The FIFO's descriptor, to wait for; -1 if there is none. Another generation() means another
  // FIFO.
  int descriptor() const { return fifo_.get(); }
  unsigned generation() const { return generation_; }
  // Why it cannot be read; empty if it can.
  const std::string& error() const { return error_; }

 private:
  bool is_in_place() const;
  void open();
  void drain(std::vector<KeepalivedNews>& news);

  std::string path_;
  Descriptor fifo_;
  unsigned generation_ = 0;
  KeepalivedLines lines_;
  std::string error_;
};

}  // namespace saspd::director
