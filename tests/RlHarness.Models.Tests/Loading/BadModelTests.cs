using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Tests;
using TorchSharp;

namespace RlHarness.Models.Tests.Loading;

/// <summary>Model folders and adapters that cannot be used are refused in words: what, where, found, expected.</summary>
[Trait("kind", "contract")]
public sealed class BadModelTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-bad-");

    private string Folder => _root.FullName;

    private string ConfigPath => Path.Combine(Folder, "config.json");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void A_folder_that_is_whole_loads()
    {
        Tiny.Save(Folder);
        using var model = ModelLoader.Load(Folder, torch.CPU);
        Assert.Equal([2], model.StopIds);
    }

    [Fact]
    public void A_missing_tensor_is_named()
    {
        Tiny.Save(Folder, json => json["num_hidden_layers"] = 3);
        Refused("model.layers.2.input_layernorm.weight is missing", "llama");
    }

    [Fact]
    public void Misshapen_tensors_are_named_together_with_both_shapes()
    {
        Tiny.Save(Folder, json => json["intermediate_size"] = 50);
        Refused(
            "model.layers.0.mlp.gate_proj.weight has shape [48, 32], expected [50, 32]",
            "model.layers.1.mlp.down_proj.weight has shape [32, 48], expected [32, 50]"
        );
    }

    [Theory]
    [InlineData("{ \"model_type\": ", "not a JSON object")]
    [InlineData("[1, 2]", "not a JSON object")]
    [InlineData("null", "not a JSON object")]
    [InlineData("", "has no content")]
    [InlineData("{ \"model_type\": \"mamba\" }", "model family not supported")]
    [InlineData("{}", "model family not supported")]
    [InlineData("{ \"model_type\": 7 }", "model_type")]
    [InlineData("{ \"model_type\": \"llama\", \"text_config\": {} }", "text and images")]
    [InlineData("{ \"model_type\": \"llama\" }", "num_hidden_layers 32")]
    public void A_config_that_is_not_one_is_refused(string text, string says)
    {
        Tiny.Save(Folder);
        File.WriteAllText(ConfigPath, text);
        Refused(ConfigPath, says);
    }

    [Theory]
    [InlineData("hidden_size", "\"many\"")]
    [InlineData("num_attention_heads", "0")]
    [InlineData("num_attention_heads", "-4")]
    [InlineData("num_hidden_layers", "0")]
    [InlineData("num_hidden_layers", "1.5")]
    [InlineData("num_key_value_heads", "3")]
    [InlineData("head_dim", "7")]
    [InlineData("vocab_size", "1e30")]
    [InlineData("eos_token_id", "\"</s>\"")]
    [InlineData("eos_token_id", "[\"</s>\"]")]
    [InlineData("tie_word_embeddings", "\"yes\"")]
    [InlineData("hidden_act", "\"relu\"")]
    [InlineData("rope_scaling", "{ \"rope_type\": \"spiral\" }")]
    [InlineData("rope_scaling", "{ \"rope_type\": \"longrope\" }")]
    [InlineData("rope_scaling", "{ \"rope_type\": \"longrope\", \"short_factor\": [1], \"long_factor\": [2] }")]
    [InlineData("rope_scaling", "{ \"rope_type\": \"longrope\", \"short_factor\": [1, \"a\"], \"long_factor\": [2, 2] }")]
    [InlineData("rope_scaling", "{ \"rope_type\": 1 }")]
    [InlineData("quantization_config", "{ \"bits\": 4 }")]
    public void A_setting_of_the_wrong_kind_is_named_with_its_file(string key, string value)
    {
        Tiny.Save(Folder, json =>
        {
            json[key] = JsonNode.Parse(value);
            if (key == "num_attention_heads")
                json.Remove("head_dim");
        });
        Refused(ConfigPath);
    }

    [Fact]
    public void A_path_with_nothing_and_a_folder_without_a_model_are_told_apart()
    {
        Assert.Contains(
            "no such model",
            Assert.Throws<HarnessException>(() => ModelLoader.Load(Path.Combine(Folder, "absent"), torch.CPU)).Message,
            StringComparison.Ordinal
        );
        Refused("no model in this folder");
        Tiny.Save(Folder);
        File.Delete(Path.Combine(Folder, "model.safetensors"));
        Refused("holds no weights");
    }

    [Fact]
    public void A_missing_shard_is_named()
    {
        var golden = Golden.Require("models", "qwen2_bf16_sharded");
        foreach (var file in Directory.GetFiles(golden).AtLeastOne())
            File.Copy(file, Path.Combine(Folder, Path.GetFileName(file)));
        File.Delete(Path.Combine(Folder, "model-00003-of-00007.safetensors"));
        Refused("model-00003-of-00007.safetensors");
    }

    [Theory]
    [InlineData("use_dora", "true")]
    [InlineData("bias", "\"lora_only\"")]
    [InlineData("lora_bias", "true")]
    [InlineData("peft_type", "\"IA3\"")]
    [InlineData("fan_in_fan_out", "true")]
    [InlineData("modules_to_save", "[\"embed_tokens\"]")]
    [InlineData("trainable_token_indices", "[1, 2]")]
    public void An_adapter_of_another_kind_is_refused_by_the_key_that_says_so(string key, string value) =>
        RefusedAdapter(json => json[key] = JsonNode.Parse(value), key);

    [Fact]
    public void An_adapter_config_that_is_no_JSON_is_refused() =>
        RefusedAdapter(_ => File.WriteAllText(Path.Combine(Folder, "adapter_config.json"), "{"), "adapter_config.json", write: false);

    [Fact]
    public void An_adapter_without_its_second_matrix_is_refused()
    {
        using var decoder = Tiny.Decoder();
        using var adapters = LoraFolder.Create(decoder, ["q_proj"], 2, 4, new Seeds(1).For("adapter"));
        LoraFolder.Save(Folder, adapters, "base");
        NamedTensors.Save(
            Path.Combine(Folder, "adapter_model.safetensors"),
            adapters.Slices.Select(s => ("base_model.model." + s.A, adapters.Parameters[s.A]))
        );
        var error = Assert.Throws<HarnessException>(() => LoraFolder.Load(Folder, decoder));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains("lora_B", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_of_a_wider_model_is_refused()
    {
        using var decoder = Tiny.Decoder();
        using var wide = new Decoder(Tiny.Config with { HiddenSize = 48 }, torch.CPU);
        using var adapters = LoraFolder.Create(wide, ["q_proj"], 2, 4, new Seeds(1).For("adapter"));
        LoraFolder.Save(Folder, adapters, "base");
        var error = Assert.Throws<HarnessException>(() => LoraFolder.Load(Folder, decoder));
        Assert.Contains("[2, 48]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Targets_that_name_no_projection_are_refused_with_those_that_exist()
    {
        using var decoder = Tiny.Decoder();
        var error = Assert.Throws<HarnessException>(() => LoraFolder.Create(decoder, ["query"], 2, 4, new Seeds(1).For("adapter")));
        Assert.Contains("q_proj", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_saved_adapter_loads_to_the_same_answers()
    {
        using var scope = torch.NewDisposeScope();
        using var decoder = Tiny.Decoder();
        using var adapters = LoraFolder.Create(decoder, ["all-linear"], 2, 4, new Seeds(1).For("adapter"));
        using (torch.no_grad())
            foreach (var s in adapters.Slices)
                adapters.Parameters[s.B].fill_(0.1f);
        LoraFolder.Save(Folder, adapters, "base");
        using var again = LoraFolder.Load(Folder, decoder);
        Assert.Equal(adapters.Slices, again.Slices);
        Assert.True(adapters.Parameters.Data.eq(again.Parameters.Data).all().item<bool>());
    }

    private void Refused(params string[] says)
    {
        var error = Assert.Throws<HarnessException>(() => ModelLoader.Load(Folder, torch.CPU));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        foreach (var part in says)
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    private void RefusedAdapter(Action<JsonObject> change, string says, bool write = true)
    {
        var golden = Golden.Require("models", "lora_qv");
        foreach (var file in Directory.GetFiles(golden, "adapter*").AtLeastOne())
            File.Copy(file, Path.Combine(Folder, Path.GetFileName(file)));
        var path = Path.Combine(Folder, "adapter_config.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        File.SetAttributes(path, FileAttributes.Normal);
        change(json);
        if (write)
            File.WriteAllText(path, json.ToJsonString());
        using var model = ModelLoader.Load(Golden.Require("models", "llama"), torch.CPU, withTokenizer: false);
        var error = Assert.Throws<HarnessException>(() => LoraFolder.Load(Folder, model.Decoder));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }
}
