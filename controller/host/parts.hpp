// SPDX-License-Identifier: Apache-2.0
// What a host is made of. Private to it.
#pragma once

#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "controller/host/host.hpp"
#include "controller/net/control_server.hpp"
#include "controller/net/metrics_server.hpp"
#include "controller/net/notify.hpp"
#include "controller/net/tls.hpp"

namespace saspd::host {

struct Host::Parts {
  explicit Parts(const About& about)
      : notifier(about.is_service ? net::Notifier::from_environment() : net::Notifier("")) {}

  boost::asio::io_context io{1};
  net::Notifier notifier;
  net::Watchdog watchdog{io, notifier};
  std::optional<net::StatusLine> status_line;
  boost::asio::signal_set signals{io};
  std::optional<net::TlsCredentials> tls;  // nothing: in the clear
  std::optional<net::ControlServer> control;
  std::optional<net::MetricsServer> metrics;
};

}  // namespace saspd::host
