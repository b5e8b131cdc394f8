// SPDX-License-Identifier: Apache-2.0

#include "bpf/attach_maps.hpp"

#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace saspd::bpf {
namespace {

bpf_map* map_at(std::size_t address) {
  return reinterpret_cast<bpf_map*>(address);  // NOLINT(performance-no-int-to-ptr): only compared
}

// A skeleton as a bpftool writes it that has other members in an element than libbpf's header.
struct LongElement {
  const char* name;
  bpf_map** map;
  std::array<std::byte, 40> of_another_version;
};

TEST(OwnMaps, ElementsAreAsLongAsTheSkeletonSays) {
  std::array<bpf_map*, 3> maps{map_at(16), map_at(32), map_at(48)};
  std::array<LongElement, 3> elements{
      {{"services", &maps[0], {}}, {"lb_bpf.rodata", &maps[1], {}}, {"flows", &maps[2], {}}}};
  bpf_object_skeleton skeleton{};
  skeleton.map_cnt = static_cast<int>(elements.size());
  skeleton.map_skel_sz = sizeof(LongElement);
  skeleton.maps = reinterpret_cast<bpf_map_skeleton*>(elements.data());

  const std::vector<OwnMap> own = own_maps(skeleton);

  ASSERT_EQ(own.size(), 2U);
  EXPECT_EQ(own[0].name, "services");
  EXPECT_EQ(own[0].map, maps[0]);
  EXPECT_EQ(own[1].name, "flows");
  EXPECT_EQ(own[1].map, maps[2]);
}

}  // namespace
}  // namespace saspd::bpf
