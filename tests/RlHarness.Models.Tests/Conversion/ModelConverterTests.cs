using RlHarness.Formats.Files;
using RlHarness.Models.Conversion;
using RlHarness.Models.Loading;
using RlHarness.Models.Verification;
using RlHarness.Tests;
using TorchSharp;

namespace RlHarness.Models.Tests.Conversion;

/// <summary>The witness is what transformers computed of the golden models before they were converted.</summary>
[Trait("kind", "contract")]
public sealed class ModelConverterTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness-convert-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("llama")] // rotary rows are interleaved in GGUF
    [InlineData("llama_tied_mha")]
    [InlineData("llama3_rope")] // GGUF keeps a table of frequencies in place of the formula
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    public void To_GGUF_and_back_in_f32_every_weight_is_the_same_bit_for_bit_and_both_give_the_golden_values(string name)
    {
        var source = Golden.Require("models", name);
        var (gguf, folder) = (At("model.gguf"), At("again"));
        ModelConverter.Convert(source, gguf, new ConversionSettings { ToGguf = true });
        ModelConverter.Convert(gguf, folder, new ConversionSettings { ToGguf = false });
        foreach (var path in new[] { gguf, folder })
        {
            var report = ModelVerifier.Verify(path, Path.Combine(source, "expected.safetensors"), torch.CPU);
            Assert.True(report.Passed, string.Join("; ", report.Checks));
            Assert.Contains(report.Checks, check => check.Kind.StartsWith("gradients", StringComparison.Ordinal));
        }

        using var before = SafetensorsSet.Open(source);
        using var after = SafetensorsSet.Open(folder);
        Assert.Equal(before.Entries.Keys.Order(StringComparer.Ordinal), after.Entries.Keys.Order(StringComparer.Ordinal));
        foreach (var (key, entry) in before.Entries)
            Assert.True(before.Bytes(entry).SequenceEqual(after.Bytes(after.Entries[key])), key);
    }

    [Fact]
    public void A_quantised_file_becomes_a_folder_with_its_golden_logits()
    {
        ModelConverter.Convert(Golden.Require("gguf", "llama_mixed.gguf"), At("folder"), new ConversionSettings { ToGguf = false });
        Assert.True(ModelVerifier.Verify(At("folder"), Golden.Require("gguf", "llama_mixed.expected.safetensors"), torch.CPU).Passed);
    }

    [Fact]
    public void Q8_0_is_within_half_a_step_of_its_block_and_norms_are_exact()
    {
        var source = Golden.Require("models", "qwen2");
        ModelConverter.Convert(source, At("q.gguf"), new ConversionSettings { ToGguf = true, Type = WeightType.Q8_0 });
        using var before = ModelLoader.Load(source, torch.CPU, withTokenizer: false);
        using var after = ModelLoader.Load(At("q.gguf"), torch.CPU, withTokenizer: false);
        foreach (var spec in before.Decoder.Parameters.Specs)
        {
            var (want, got) = (Values(before, spec.Name), Values(after, spec.Name));
            if (spec.Shape.Length == 1)
            {
                Assert.Equal(want, got);
                continue;
            }

            foreach (var (block, read) in want.Chunk(32).Zip(got.Chunk(32)))
            {
                // half a step of max/127, and the scale's own rounding to f16 (2^-11 of it, up to 127 steps)
                var bound = block.Max(Math.Abs) / 127 * (0.5 + 127 * Math.Pow(2, -11)) + 1e-9;
                Assert.All(block.Zip(read), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, bound));
            }
        }
    }

    [Theory]
    [InlineData("lora_qv")]
    [InlineData("lora_patterns")]
    [InlineData("lora_all_rslora")]
    [InlineData("lora_lm_head_saved")]
    public void A_merged_adapter_gives_the_logits_of_the_adapter_beside_its_base(string name)
    {
        ModelConverter.Convert(
            Golden.Require("models", "llama"),
            At("merged"),
            new ConversionSettings { ToGguf = false, Adapter = Golden.Require("models", name) }
        );
        using var model = ModelLoader.Load(At("merged"), torch.CPU, withTokenizer: false);
        using var expected = new TensorFile(Golden.Require("models", name, "expected.safetensors"));
        using var scope = torch.NewDisposeScope();
        var rows = expected.Rows("right.input_ids", "right.attention_mask");
        using var batch = Models.Decoders.TokenBatch.Pack(rows, torch.CPU);
        var logits = model.Decoder.Logits(model.Decoder.Forward(batch));
        foreach (var tensor in new[] { "right.logits", "right.logits_merged" })
            Assert.InRange(Decoders.GoldenModelTests.LargestDifference(logits, Decoders.GoldenModelTests.Packed(expected[tensor], rows)), 0, 1e-4);
    }

    [Fact]
    public void A_folder_in_bf16_holds_the_nearest_numbers_and_says_so()
    {
        ModelConverter.Convert(Golden.Require("models", "olmo2"), At("bf16"), new ConversionSettings { ToGguf = false, Type = WeightType.BF16 });
        using var before = ModelLoader.Load(Golden.Require("models", "olmo2"), torch.CPU, withTokenizer: false);
        using var after = ModelLoader.Load(At("bf16"), torch.CPU, withTokenizer: false);
        using var scope = torch.NewDisposeScope();
        // libtorch's own rounding
        Assert.Equal(
            0,
            Decoders.GoldenModelTests.LargestDifference(
                before.Decoder.Parameters.Data.to(torch.ScalarType.BFloat16).to(torch.ScalarType.Float32),
                after.Decoder.Parameters.Data
            )
        );
        Assert.Equal("bfloat16", after.ConfigJson["torch_dtype"]!.GetValue<string>());
    }

    private string At(string name) => Path.Combine(_folder, name);

    private static float[] Values(LoadedModel model, string name) => model.Decoder.Parameters[name].contiguous().data<float>().ToArray();
}
