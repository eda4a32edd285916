#include "protocol/base/histogram.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

struct Bounds {
  static constexpr std::array<double, 3> kUpper{1, 10, 100};
};

TEST(Histogram, a_value_falls_into_the_first_bucket_it_does_not_exceed) {
  Histogram<Bounds> histogram;
  for (const double value : {0.0, 1.0, 1.5, 10.0, 10.1, 100.0, 100.1, 1e9}) histogram.observe(value);
  EXPECT_EQ(histogram.count(0), 2u);
  EXPECT_EQ(histogram.count(1), 2u);
  EXPECT_EQ(histogram.count(2), 2u);
  EXPECT_EQ(histogram.count(3), 2u);
}

TEST(Histogram, many_equal_observations_count_as_one_by_one) {
  Histogram<Bounds> at_once;
  Histogram<Bounds> singly;
  at_once.observe(2.5, 4);
  for (int i = 0; i < 4; ++i) singly.observe(2.5);
  EXPECT_EQ(at_once.count(1), singly.count(1));
  EXPECT_DOUBLE_EQ(at_once.sum(), singly.sum());
  at_once.observe(7, 0);
  EXPECT_EQ(at_once.count(1), 4u);
}

TEST(Histogram, histograms_add_up) {
  Histogram<Bounds> one;
  Histogram<Bounds> other;
  one.observe(0.5);
  other.observe(0.5, 2);
  other.observe(1000);
  one.add(other);
  EXPECT_EQ(one.count(0), 3u);
  EXPECT_EQ(one.count(3), 1u);
  EXPECT_DOUBLE_EQ(one.sum(), 1001.5);
}

TEST(Histogram, the_bounds_in_use_ascend) {
  const auto ascends = [](const auto& bounds) { return std::is_sorted(bounds.begin(), bounds.end()); };
  EXPECT_TRUE(ascends(SecondsBounds::kUpper));
  EXPECT_TRUE(ascends(SizeBounds::kUpper));
}

}  // namespace
}  // namespace kyanite
