// Which attention is asked for, where keys lie on a picture or a sound, and how weights are drawn.

#include "models/attention_map.h"

#include <catch2/catch_test_macros.hpp>

#include "models/image/attention_picture.h"

namespace {

using heed::AttentionChoice;
using heed::TokenGrid;

void check_grid(const TokenGrid& grid, int32_t before, int32_t rows, int32_t columns) {
  CHECK(grid.before == before);
  CHECK(grid.rows == rows);
  CHECK(grid.columns == columns);
}

}  // namespace

TEST_CASE("an attention choice is cls, rollout, a layer, or a layer and a head") {
  AttentionChoice choice;
  REQUIRE(heed::read_attention_choice("cls", &choice));
  CHECK(choice.of == AttentionChoice::Of::class_token);
  REQUIRE(heed::read_attention_choice("rollout", &choice));
  CHECK(choice.of == AttentionChoice::Of::rollout);
  REQUIRE(heed::read_attention_choice("3", &choice));
  CHECK(choice.of == AttentionChoice::Of::layer);
  CHECK(choice.layer == 3);
  CHECK(choice.head == -1);
  REQUIRE(heed::read_attention_choice("11,2", &choice));
  CHECK(choice.layer == 11);
  CHECK(choice.head == 2);
  for (const char* wrong : {"", "class", "-1", "1,", ",1", "1,2,3", "1.5", "99999999999"})
    CHECK_FALSE(heed::read_attention_choice(wrong, &choice));
}

TEST_CASE("the grid of patches is found behind class tokens and before tokens that ask") {
  check_grid(heed::picture_grid(197, 224, 224, 0), 1, 14, 14);  // ViT
  check_grid(heed::picture_grid(198, 224, 224, 0), 2, 14, 14);  // DeiT, distilled
  check_grid(heed::picture_grid(196, 224, 224, 0), 0, 14, 14);  // without a token
  check_grid(heed::picture_grid(256, 512, 512, 0), 0, 16, 16);  // SegFormer, reduced
  check_grid(heed::picture_grid(1 + 32 * 50 + 100, 800, 512, 100), 1, 32, 50);  // YOLOS
  check_grid(heed::picture_grid(25 * 34, 1066, 800, 100), 0, 25, 34);           // DETR, filled up
  check_grid(heed::picture_grid(100, 1066, 800, 100), 0, 0, 0);  // queries among themselves
}

TEST_CASE("the steps of a sound are its frames, groups of them, or those behind a class token") {
  check_grid(heed::sound_grid(98, 98), 0, 1, 98);
  check_grid(heed::sound_grid(99, 98), 1, 1, 98);
  check_grid(heed::sound_grid(50, 98), 1, 1, 49);
  check_grid(heed::sound_grid(1500, 3000), 0, 1, 1500);
}

TEST_CASE("where weights are large the picture is coloured, elsewhere it is grey and darker") {
  heed::Image picture{64, 64, 3, std::vector<uint8_t>(size_t{64} * 64 * 3, 128)};
  std::vector<float> weights(64, 0.001f);
  for (const size_t cell : {21, 22, 29, 30}) weights[cell] = 0.3f;  // rows 2, 3, columns 5, 6
  const heed::Image drawn = heed::draw_attention(picture, weights, 8, 8);
  const uint8_t* there = drawn.at(48, 24);
  CHECK(there[0] > 200);
  CHECK(there[0] > there[2] + 50);
  const uint8_t* elsewhere = drawn.at(8, 56);
  CHECK(elsewhere[0] == elsewhere[2]);
  CHECK(elsewhere[0] < 90);
  const heed::Image legend = heed::with_legend(drawn, heed::heat_range(weights), "", "layer 1");
  CHECK(legend.width == 64);
  CHECK(legend.height > 80);
  size_t lit = 0;
  for (size_t i = drawn.pixels.size(); i < legend.pixels.size(); ++i) lit += legend.pixels[i] > 200;
  CHECK(lit > 100);
}
