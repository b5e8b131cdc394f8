// SPDX-License-Identifier: Apache-2.0

#include "netlink/ipvs_settings.hpp"

#include <fstream>

namespace saspd::netlink {

lb::KernelSettings read_ipvs_settings(const std::string& directory) {
  lb::KernelSettings settings;
  for (const std::string name :
       {"conn_reuse_mode", "expire_nodest_conn", "expire_quiescent_template", "sloppy_tcp"}) {
    auto& setting = settings[name];
    std::ifstream file(directory + "/" + name);
    if (std::uint32_t value = 0; file >> value) setting = value;
  }
  return settings;
}

}  // namespace saspd::netlink
