using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Formats.Files;
using RlHarness.Models.Conversion;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Tests;
using TorchSharp;

namespace RlHarness.Models.Tests.Faults;

/// <summary>Models that gave other numbers than their files mean (tests/golden/faults).</summary>
[Trait("kind", "contract")]
public sealed class WeightFaultTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-weights-");

    public void Dispose() => _root.Delete(recursive: true);

    private string At(string name) => Path.Combine(_root.FullName, name);

    [Theory]
    [InlineData("smollm3_absent_keys", null)]
    [InlineData("tied_flag_other_head", "tie_word_embeddings")]
    [InlineData("rope_scaling_beside_rope_parameters", "rope_scaling and rope_parameters")]
    [InlineData("longrope_switch", null)]
    public void Logits_are_those_of_transformers(string name, string? warned)
    {
        var folder = Golden.Require("faults", name);
        using var model = ModelLoader.Load(folder, torch.CPU, withTokenizer: false);
        Assert.InRange(Expected.LogitError(model.Decoder, Path.Combine(folder, "expected.safetensors")), 0, 1e-4);
        if (warned is null)
            Assert.Empty(model.Warnings);
        else
            Assert.Contains(warned, Assert.Single(model.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void A_head_of_its_own_is_still_its_own_when_the_model_is_saved()
    {
        var folder = Golden.Require("faults", "tied_flag_other_head");
        using (var model = ModelLoader.Load(folder, torch.CPU, withTokenizer: false))
            ModelSaver.Save(At("saved"), model);
        using var again = ModelLoader.Load(At("saved"), torch.CPU, withTokenizer: false);
        Assert.InRange(Expected.LogitError(again.Decoder, Path.Combine(folder, "expected.safetensors")), 0, 1e-4);
        Assert.Empty(again.Warnings);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    public void Generation_crosses_the_switch_of_LongRoPE_as_transformers_does(int others)
    {
        // shared/faults/BR-30: transformers' generate, and its full pass at each token.
        int[] expected = [652, 499, 323, 89, 232, 199, 67, 472, 21, 152, 215, 519, 8, 39, 148, 298, 777, 240, 57, 367];
        using var model = ModelLoader.Load(Golden.Require("faults", "longrope_switch"), torch.CPU, withTokenizer: false);
        int[] prompt = [.. Enumerable.Range(0, 60).Select(i => i * 13 % 800 + 5)];
        // Shorter and longer prompts beside it cross at other steps, or not at all.
        GenerationRequest[] requests =
        [
            new(prompt, 0),
            .. Enumerable.Range(1, others).Select(i => new GenerationRequest([.. Enumerable.Range(0, 30 + 9 * i).Select(k => k * 7 % 500 + i)], i)),
        ];
        var settings = new SamplingSettings { Temperature = 0, MaxNewTokens = 20 };
        var answers = new BatchGenerator(model.Decoder).Generate(requests, settings, new Seeds(1));
        Assert.Equal(expected, answers[0].Tokens);
        foreach (var (request, answer) in requests.Zip(answers).Skip(1))
            Assert.Equal(new BatchGenerator(model.Decoder).Generate([request], settings, new Seeds(1))[0].Tokens, answer.Tokens);
    }

    [Fact]
    public void Eight_bit_weights_with_a_scale_beside_them_are_refused()
    {
        var folder = Golden.Require("faults", "fp8_with_scales");
        var error = Assert.Throws<HarnessException>(() => ModelLoader.Load(folder, torch.CPU, withTokenizer: false));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains("weight_scale", error.Message, StringComparison.Ordinal);
        Assert.Contains(ModelInspection.Of(folder).NotSupported, p => p.Contains("weight_scale", StringComparison.Ordinal));
        Assert.Throws<HarnessException>(() => ModelConverter.Convert(folder, At("out"), new ConversionSettings { ToGguf = false }));
    }

    [Theory]
    [InlineData("model.layers.0.self_attn.q_proj.bias", true)]
    [InlineData("model.layers.1.mlp.up_proj.bias", true)]
    [InlineData("model.norm.bias", true)]
    [InlineData("model.layers.0.mlp.down_proj.weight_scale_inv", true)]
    [InlineData("model.layers.0.mlp.down_proj.weight.absmax", true)]
    [InlineData("model.layers.0.mlp.down_proj.qzeros", true)]
    [InlineData("model.layers.7.mlp.down_proj.weight", false)]
    [InlineData("vision.patch.weight", false)]
    public void A_tensor_that_nobody_uses_is_named_and_refused_where_it_changes_others(string name, bool refused)
    {
        Tiny.Save(At("model"));
        Add(At("model"), new WeightSource(name, WeightType.F32, [32], new byte[128]));
        if (refused)
        {
            Assert.Contains(name, Assert.Throws<HarnessException>(() => ModelLoader.Load(At("model"), torch.CPU)).Message, StringComparison.Ordinal);
            return;
        }

        using var model = ModelLoader.Load(At("model"), torch.CPU);
        Assert.Contains(name, Assert.Single(model.Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(65519f, WeightType.F16, true)]
    [InlineData(65520f, WeightType.F16, false)]
    [InlineData(-1e6f, WeightType.F16, false)]
    [InlineData(1e7f, WeightType.Q8_0, false)]
    [InlineData(8e6f, WeightType.Q8_0, true)]
    [InlineData(3.4e38f, WeightType.BF16, false)]
    [InlineData(1e6f, WeightType.BF16, true)]
    public void A_type_that_cannot_hold_a_number_is_refused_before_anything_is_there(float value, WeightType type, bool fits)
    {
        Tiny.Save(At("model"));
        Change(At("model"), "model.layers.0.mlp.gate_proj.weight", value);
        var settings = new ConversionSettings { ToGguf = type == WeightType.Q8_0, Type = type };
        if (type == WeightType.Q8_0)
            Tiny.Tokenizer().Save(At("model"));
        var target = At(type == WeightType.Q8_0 ? "out.gguf" : "out");
        if (fits)
        {
            ModelConverter.Convert(At("model"), target, settings);
            return;
        }

        var error = Assert.Throws<HarnessException>(() => ModelConverter.Convert(At("model"), target, settings));
        Assert.Contains(type == WeightType.Q8_0 ? "ffn_gate" : "gate_proj", error.Message, StringComparison.Ordinal);
        Assert.Contains(value.ToString("r", System.Globalization.CultureInfo.InvariantCulture), error.Message, StringComparison.Ordinal);
        Assert.Equal(["model"], Directory.EnumerateFileSystemEntries(_root.FullName).Select(Path.GetFileName));
    }

    [Fact]
    public void A_merged_adapter_is_kept_whole_unless_another_type_is_asked_for_and_then_its_loss_is_told()
    {
        var folder = Golden.Require("faults", "lora_over_bf16");
        var settings = new ConversionSettings { ToGguf = false, Adapter = Path.Combine(folder, "adapter") };
        var whole = ModelConverter.Convert(Path.Combine(folder, "base"), At("whole"), settings);
        Assert.Equal("f32", whole.Type);
        using (var model = ModelLoader.Load(At("whole"), torch.CPU, withTokenizer: false))
            Assert.InRange(Expected.LogitError(model.Decoder, Path.Combine(folder, "expected.safetensors")), 0, 1e-5);
        var narrow = ModelConverter.Convert(Path.Combine(folder, "base"), At("narrow"), settings with { Type = WeightType.BF16 });
        Assert.Contains(narrow.Notes, note => note.Contains("of what the adapter changes", StringComparison.Ordinal));
        Assert.DoesNotContain(whole.Notes, note => note.Contains("adapter", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_weight_that_is_not_finite_stops_with_its_place(float value)
    {
        Tiny.Save(At("model"));
        Change(At("model"), "model.layers.1.mlp.up_proj.weight", value);
        var error = Assert.Throws<HarnessException>(() => ModelLoader.Load(At("model"), torch.CPU));
        Assert.Equal(ErrorKind.Numerics, error.Kind);
        Assert.Contains("model.layers.1.mlp.up_proj.weight", error.Message, StringComparison.Ordinal);
        Assert.Contains("element 5", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Logits_that_are_not_finite_end_generation_with_the_place(double temperature)
    {
        using var decoder = Tiny.Decoder();
        using (torch.no_grad())
            decoder.Parameters["model.norm.weight"].fill_(float.NaN);
        decoder.Parameters.Touch();
        var settings = new SamplingSettings { Temperature = temperature, MaxNewTokens = 4 };
        var error = Assert.Throws<HarnessException>(() => new BatchGenerator(decoder).Generate([new GenerationRequest([3, 4], 7, 2)], settings, new Seeds(1)));
        Assert.Equal(ErrorKind.Numerics, error.Kind);
        Assert.Contains("prompt 7, sample 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_sets_of_weights_are_refused_by_both_names()
    {
        Tiny.Save(At("model"));
        var file = Path.Combine(At("model"), "model.safetensors");
        File.Copy(file, Path.Combine(At("model"), "model-00001-of-00001.safetensors"));
        WriteIndex("model-00001-of-00001.safetensors");
        var error = Assert.Throws<HarnessException>(() => ModelLoader.Load(At("model"), torch.CPU));
        Assert.Contains("model.safetensors.index.json", error.Message, StringComparison.Ordinal);
        Assert.Contains("model.safetensors and", error.Message, StringComparison.Ordinal);
        File.Delete(file);
        ModelLoader.Load(At("model"), torch.CPU).Dispose();

        void WriteIndex(string shard)
        {
            using var weights = SafetensorsFile.Open(file);
            var map = new JsonObject(weights.Entries.Keys.Select(k => KeyValuePair.Create(k, (JsonNode?)shard)));
            File.WriteAllText(Path.Combine(At("model"), "model.safetensors.index.json"), new JsonObject { ["weight_map"] = map }.ToJsonString());
        }
    }

    [Fact]
    public void A_million_layers_are_refused_from_what_the_file_holds()
    {
        Tiny.Save(At("model"), json => json["num_hidden_layers"] = 9999);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("num_hidden_layers", Assert.Throws<HarnessException>(() => ModelLoader.Load(At("model"), torch.CPU)).Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 20);
    }

    private static void Add(string folder, params WeightSource[] more)
    {
        var path = Path.Combine(folder, "model.safetensors");
        var all = new List<WeightSource>();
        using (var file = SafetensorsFile.Open(path))
            all.AddRange(file.Entries.Values.Select(e => new WeightSource(e.Name, e.Type, e.Shape, file.Bytes(e).ToArray())));
        SafetensorsWriter.Write(path, all.Where(w => more.All(m => m.Name != w.Name)).Concat(more));
    }

    /// <summary>Puts a number at element 5 of a tensor.</summary>
    private static void Change(string folder, string name, float value)
    {
        WeightSource changed;
        using (var file = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors")))
        {
            var entry = file.Entries[name];
            var bytes = file.Bytes(entry).ToArray();
            BitConverter.TryWriteBytes(bytes.AsSpan(20), value);
            changed = new WeightSource(name, entry.Type, entry.Shape, bytes);
        }

        Add(folder, changed);
    }
}
