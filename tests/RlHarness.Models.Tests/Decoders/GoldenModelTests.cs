using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Decoders;

[Trait("kind", "arithmetic")]
public sealed class GoldenModelTests(ITestOutputHelper output)
{
    public static TheoryData<string, string> Models() =>
        [
            .. Golden
                .Names("models")
                .SelectMany(name => new[] { (name, "config.json"), (name, "config.v4.json") })
                .Where(c => File.Exists(Path.Combine(Golden.Require("models", c.Item1), c.Item2)))
                .AtLeastOne(),
        ];

    public static TheoryData<string> Adapters() => [.. Golden.Names("models", "lora*")];

    [Theory]
    [MemberData(nameof(Models))]
    public void Logits_hidden_states_and_gradients_are_those_of_transformers(string name, string config)
    {
        var folder = Golden.Require("models", name);
        using var scope = NewDisposeScope();
        using var model = ModelLoader.Load(folder, CPU, requiresGrad: true, withTokenizer: false, configName: config);
        using var expected = new TensorFile(Path.Combine(folder, "expected.safetensors"));
        var rows = expected.Rows("right.input_ids", "right.attention_mask");
        using var batch = TokenBatch.Pack(rows, CPU);
        var hiddenError = 0.0;
        var hidden = model.Decoder.Forward(batch, (i, h) =>
        {
            if (expected.Has($"right.hidden_states.{i}"))
                hiddenError = Math.Max(hiddenError, LargestDifference(h, Packed(expected[$"right.hidden_states.{i}"], rows)));
        });
        var logits = model.Decoder.Logits(hidden);
        var logitError = LargestDifference(logits, Packed(expected["right.logits"], rows));

        // mean over next tokens of -log p, as the golden file says
        var (keep, target) = NextTokens(batch, rows);
        var logp = nn.functional.log_softmax(logits.index_select(0, keep), -1).gather(-1, target.unsqueeze(1));
        (-logp.mean()).backward();
        var worst = (Name: "", Error: 0.0);
        foreach (var disk in model.Decoder.Layout.Disk)
        {
            if (!expected.Has("grad." + disk.DiskName))
                continue;
            var want = expected["grad." + disk.DiskName];
            var got = model.Decoder.Parameters.GradientOf(disk.Parameter).narrow(0, disk.Offset, disk.Rows);
            var error = (got - want).norm().item<float>() / Math.Max(want.norm().item<float>(), 1e-12f);
            if (error > worst.Error)
                worst = (disk.DiskName, error);
        }

        output.WriteLine($"{name} ({config}): logits {logitError:e2}, hidden states {hiddenError:e2}, gradients {worst.Error:e2} ({worst.Name})");
        Assert.True(logitError <= 1e-4, $"logits differ by {logitError:e2}");
        Assert.True(hiddenError <= 1e-3, $"hidden states differ by {hiddenError:e2}");
        Assert.True(worst.Error <= 1e-3, $"gradient of {worst.Name} differs by {worst.Error:e2}");
    }

    [Theory]
    [MemberData(nameof(Adapters))]
    public void Adapters_give_the_logits_and_gradients_of_PEFT_and_merge_exactly(string name)
    {
        var folder = Golden.Require("models", name);
        using var scope = NewDisposeScope();
        using var model = ModelLoader.Load(Golden.Require("models", "llama"), CPU, withTokenizer: false);
        var adapters = LoraFolder.Load(folder, model.Decoder, requiresGrad: true);
        model.Decoder.Adapters = adapters;
        using var expected = new TensorFile(Path.Combine(folder, "expected.safetensors"));
        var rows = expected.Rows("right.input_ids", "right.attention_mask");
        using var batch = TokenBatch.Pack(rows, CPU);
        var logits = model.Decoder.Logits(model.Decoder.Forward(batch));
        Assert.True(LargestDifference(logits, Packed(expected["right.logits"], rows)) <= 1e-4);
        var (keep, target) = NextTokens(batch, rows);
        (-nn.functional.log_softmax(logits.index_select(0, keep), -1).gather(-1, target.unsqueeze(1)).mean()).backward();
        foreach (var s in adapters.Slices)
            foreach (var (parameter, kind) in new[] { (s.A, "lora_A"), (s.B, "lora_B") })
            {
                var want = expected[$"grad.base_model.model.{s.DiskModule}.{kind}.default.weight"];
                var got = adapters.Parameters.GradientOf(parameter);
                Assert.True((got - want).norm().item<float>() <= 1e-3 * Math.Max(want.norm().item<float>(), 1e-9), parameter);
            }

        model.Decoder.Adapters = null;
        if (adapters.SavedHead is null)
        {
            Assert.True(LargestDifference(model.Decoder.Logits(model.Decoder.Forward(batch)), Packed(expected["right.logits_without_adapter"], rows)) <= 1e-4);
            adapters.MergeInto(model.Decoder);
            Assert.True(LargestDifference(model.Decoder.Logits(model.Decoder.Forward(batch)), Packed(expected["right.logits_merged"], rows)) <= 1e-4);
            var rewritten = Directory.CreateTempSubdirectory("rlharness-lora-");
            LoraFolder.Save(rewritten.FullName, adapters, "base");
            adapters.MergeInto(model.Decoder, sign: -1);
            model.Decoder.Adapters = LoraFolder.Load(rewritten.FullName, model.Decoder);
            Assert.True(LargestDifference(model.Decoder.Logits(model.Decoder.Forward(batch)), Packed(expected["right.logits"], rows)) <= 1e-4);
            rewritten.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("llama_mixed")]
    [InlineData("llama_tied_f32")]
    [InlineData("qwen2_q8_0")]
    [InlineData("qwen3_f16")]
    public void Gguf_models_give_the_golden_logits(string name)
    {
        var path = Golden.Require("gguf", name + ".gguf");
        using var scope = NewDisposeScope();
        using var model = ModelLoader.Load(path, CPU, withTokenizer: false);
        using var expected = new TensorFile(Golden.Require("gguf", name + ".expected.safetensors"));
        var ids = expected.Longs("input_ids");
        using var batch = TokenBatch.Pack([.. ids.Select(i => (int)i).Chunk(20)], CPU);
        var error = LargestDifference(model.Decoder.Logits(model.Decoder.Forward(batch)), expected["logits"].view(40, -1));
        output.WriteLine($"{name}: logits {error:e2}");
        Assert.True(error <= 1e-4, $"logits differ by {error:e2}");
    }

    [Fact]
    public void A_saved_folder_loads_to_the_same_weights()
    {
        using var model = ModelLoader.Load(Golden.Require("models", "llama"), CPU, withTokenizer: false);
        var folder = Directory.CreateTempSubdirectory("rlharness-save-");
        ModelSaver.Save(folder.FullName, model.Decoder, model.Family, model.ConfigJson, null);
        using var again = ModelLoader.Load(folder.FullName, CPU, withTokenizer: false);
        Assert.Equal(0, LargestDifference(model.Decoder.Parameters.Data, again.Decoder.Parameters.Data));
        folder.Delete(recursive: true);
    }

    internal static double LargestDifference(Tensor a, Tensor b) => (a.detach() - b).abs().max().to(ScalarType.Float64).item<double>();

    internal static Tensor Packed(Tensor padded, int[][] rows) => cat([.. rows.Select((r, b) => padded[b].narrow(0, 0, r.Length))], 0);

    private static (Tensor Keep, Tensor Target) NextTokens(TokenBatch batch, int[][] rows)
    {
        var keep = rows.SelectMany((r, b) => Enumerable.Range(0, r.Length - 1).Select(t => (long)(batch.Starts[b] + t))).ToArray();
        return (tensor(keep), tensor(rows.SelectMany(r => r.Skip(1)).Select(i => (long)i).ToArray()));
    }
}
