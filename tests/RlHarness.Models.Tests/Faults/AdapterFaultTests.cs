using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Models.Tests.Decoders;
using RlHarness.Tests;
using TorchSharp;

namespace RlHarness.Models.Tests.Faults;

/// <summary>Adapters that were read as plain LoRA when they are not, or scaled otherwise than PEFT scales them (tests/golden/faults).</summary>
[Trait("kind", "contract")]
public sealed class AdapterFaultTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-adapter-");

    private string Folder => _root.FullName;

    public void Dispose() => _root.Delete(recursive: true);

    [Theory]
    [InlineData("lora_alpha_digits")]
    [InlineData("lora_alpha_part")]
    [InlineData("lora_over_bf16")]
    public void Patterns_scale_the_modules_that_PEFT_scales(string name)
    {
        var folder = Golden.Require("faults", name);
        using var scope = torch.NewDisposeScope();
        using var model = ModelLoader.Load(Path.Combine(folder, "base"), torch.CPU, withTokenizer: false);
        model.Decoder.Adapters = LoraFolder.Load(Path.Combine(folder, "adapter"), model.Decoder);
        Assert.InRange(Expected.LogitError(model.Decoder, Path.Combine(folder, "expected.safetensors")), 0, 1e-4);
    }

    [Theory]
    [InlineData("q_proj", 16)]
    [InlineData("self_attn.q_proj", 16)]
    [InlineData("^model.layers.1.self_attn.q_proj", 16)]
    [InlineData("layers\\.(1|7)\\.self_attn\\..*", 16)]
    [InlineData("proj", 4)]
    [InlineData("_proj", 4)]
    [InlineData("self_attn", 4)]
    [InlineData("1.self_attn.q_proj", 16)]
    [InlineData("11.self_attn.q_proj", 4)]
    public void A_pattern_matches_from_a_dot_to_the_end_of_a_name(string key, double alpha)
    {
        // By hand from PEFT's get_pattern_key: re.match(rf"(.*\.)?({key})$", name).
        var json = new JsonObject { ["alpha_pattern"] = new JsonObject { [key] = 16 } };
        Assert.Equal(alpha, new LoraPatterns(json, "a").Alpha("model.layers.1.self_attn.q_proj") ?? 4);
    }

    [Fact]
    public void The_first_pattern_in_the_file_counts()
    {
        var json = new JsonObject
        {
            ["alpha_pattern"] = new JsonObject { ["q_proj"] = 16, ["layers.3.self_attn.q_proj"] = 64 },
        };
        Assert.Equal(16, new LoraPatterns(json, "a").Alpha("model.layers.3.self_attn.q_proj"));
    }

    [Theory]
    [InlineData("lora_pissa", "pissa")]
    [InlineData("lora_olora", "olora")]
    public void An_adapter_whose_start_was_taken_from_the_base_is_refused(string name, string says)
    {
        using var model = ModelLoader.Load(Golden.Require("faults", "lora_alpha_digits", "base"), torch.CPU, withTokenizer: false);
        var error = Assert.Throws<HarnessException>(() => LoraFolder.Load(Golden.Require("faults", name), model.Decoder));
        Assert.Contains("init_lora_weights", error.Message, StringComparison.Ordinal);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("init_lora_weights", "\"eva\"")]
    [InlineData("init_lora_weights", "\"loftq\"")]
    [InlineData("init_lora_weights", "\"corda\"")]
    [InlineData("init_lora_weights", "\"pissa_niter_16\"")]
    [InlineData("use_dora", "true")]
    [InlineData("layer_replication", "[[0, 2]]")]
    [InlineData("lora_bias", "true")]
    [InlineData("trainable_token_indices", "{\"embed_tokens\": [1]}")]
    [InlineData("fan_in_fan_out", "true")]
    [InlineData("megatron_config", "{\"a\": 1}")]
    [InlineData("loftq_config", "{\"loftq_bits\": 4}")]
    [InlineData("use_qalora", "true")]
    [InlineData("use_bdlora", "{\"nblocks\": 2}")]
    [InlineData("target_parameters", "[\"experts.weight\"]")]
    [InlineData("alora_invocation_tokens", "[40, 41]")]
    [InlineData("arrow_config", "{\"top_k\": 2}")]
    [InlineData("ensure_weight_tying", "true")]
    [InlineData("a_key_of_next_year", "\"on\"")]
    [InlineData("peft_type", "null")]
    [InlineData("rank_pattern", "{\"q_proj\": 3}")]
    [InlineData("alpha_pattern", "{\"(\": 3}")]
    [InlineData("alpha_pattern", "{\"q_proj\": \"3\"}")]
    [InlineData("r", "5")]
    public void What_is_not_plain_LoRA_is_refused_by_its_key(string key, string value)
    {
        using var decoder = Tiny.Decoder();
        Write(decoder, json => json[key] = JsonNode.Parse(value));
        var error = Assert.Throws<HarnessException>(() => LoraFolder.Load(Folder, decoder));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains(key, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_without_tensors_is_refused()
    {
        using var decoder = Tiny.Decoder();
        Write(decoder, _ => { });
        RlHarness.Formats.Files.SafetensorsWriter.Write(Path.Combine(Folder, "adapter_model.safetensors"), []);
        Assert.Contains("without weights", Assert.Throws<HarnessException>(() => LoraFolder.Load(Folder, decoder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_relative_base_is_written_so_that_it_opens_from_any_folder()
    {
        using var decoder = Tiny.Decoder();
        Write(decoder, _ => { }, "../imitate");
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "adapter_config.json")))!;
        Assert.Equal(Path.Combine(_root.Parent!.FullName, "imitate"), json["base_model_name_or_path"]!.GetValue<string>());
    }

    private void Write(Decoder decoder, Action<JsonObject> change, string baseModel = "base")
    {
        using var adapters = LoraFolder.Create(decoder, ["q_proj"], 2, 4, new Seeds(1).For("adapter"));
        LoraFolder.Save(Folder, adapters, baseModel);
        var path = Path.Combine(Folder, "adapter_config.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(json);
        File.WriteAllText(path, json.ToJsonString());
    }
}

/// <summary>What another implementation computed of the inputs in tests/golden/faults.</summary>
internal static class Expected
{
    /// <summary>The largest difference from the stored logits [T, V] of the stored ids.</summary>
    internal static double LogitError(Decoder decoder, string path)
    {
        using var guard = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using var expected = new TensorFile(path);
        int[] ids = [.. expected.Longs("input_ids").Select(i => (int)i)];
        using var batch = TokenBatch.Pack([ids], torch.CPU);
        var logits = decoder.Logits(decoder.Forward(batch));
        return GoldenModelTests.LargestDifference(logits, expected["logits"].view(ids.Length, -1));
    }
}
