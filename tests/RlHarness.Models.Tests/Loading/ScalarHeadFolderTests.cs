using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Loading;
using RlHarness.Tests;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Loading;

/// <summary>What AutoModelForSequenceClassification needs is written down here from its source: names, shapes, keys, and where it reads the score.</summary>
[Trait("kind", "contract")]
public sealed class ScalarHeadFolderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness-head-").FullName;
    private readonly Decoder _body = Tiny.Decoder();
    private readonly ScalarHead _head = new(32, CPU, new Seeds(3).For("head"));

    public void Dispose()
    {
        _body.Dispose();
        _head.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void The_folder_has_the_class_the_label_and_the_tensors_of_sequence_classification()
    {
        Save(null);
        var json = Json("config.json");
        Assert.Equal("""["LlamaForSequenceClassification"]""", json["architectures"]!.ToJsonString());
        Assert.Equal("""{"0":"score"}""", json["id2label"]!.ToJsonString());
        Assert.Equal("""{"score":0}""", json["label2id"]!.ToJsonString());
        Assert.Equal("llama", json["model_type"]!.GetValue<string>());
        using var file = SafetensorsFile.Open(Path.Combine(_folder, "model.safetensors"));
        Assert.Equal([1, 32], file.Entries["score.weight"].Shape);
        Assert.Contains("model.layers.1.mlp.down_proj.weight", file.Entries.Keys);
        Assert.DoesNotContain("lm_head.weight", file.Entries.Keys);
        // the one tensor that transformers has no place for
        var known = _body.Layout.Disk.Select(d => d.DiskName).Append("score.weight");
        Assert.Equal(["score.bias"], file.Entries.Keys.Except(known));
    }

    [Fact]
    public void Body_and_head_come_back_bit_for_bit_and_score_as_a_linear_layer_over_the_last_state()
    {
        _head.Shift(0.75);
        Save(null);
        using var body = ModelLoader.Load(_folder, CPU, withHead: false, withTokenizer: false);
        using var head = new ScalarHead(32, CPU, new Seeds(9).For("other"));
        ScalarHeadFolder.Load(_folder, body.Decoder, head);
        using var scope = NewDisposeScope();
        Assert.Equal(0, (head.Parameters.Data - _head.Parameters.Data).abs().max().item<float>());
        foreach (var spec in body.Decoder.Parameters.Specs)
            Assert.Equal(0, (body.Decoder.Parameters[spec.Name] - _body.Parameters[spec.Name]).abs().max().item<float>());
        using var batch = TokenBatch.Pack(
            [
                [3, 9, 4, 17],
            ],
            CPU
        );
        var state = body.Decoder.Forward(batch)[3]; // [H]
        // without the bias, as transformers computes it, a score is lower by 0.75
        Assert.Equal((state * head.Parameters[ScalarHead.Weight][0]).sum().item<float>() + 0.75f, head.Forward(_body.Forward(batch))[3].item<float>(), 1e-5f);
    }

    [Fact]
    public void A_folder_that_transformers_wrote_has_no_bias_and_loads_with_0()
    {
        SafetensorsWriter.Write(Path.Combine(_folder, "model.safetensors"), [new WeightSource("score.weight", WeightType.F32, [1, 32], new byte[128])]);
        _head.Shift(5);
        ScalarHeadFolder.LoadHead(_folder, _head);
        using var scope = NewDisposeScope();
        Assert.Equal(0, _head.Parameters.Data.abs().max().item<float>());
    }

    [Fact]
    public void A_folder_without_a_head_of_one_label_is_refused()
    {
        Tiny.Save(_folder);
        Assert.Contains("no scalar head", Assert.Throws<HarnessException>(() => ScalarHeadFolder.LoadHead(_folder, _head)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_that_pads_with_its_end_token_gets_another_pad_token()
    {
        // Tiny's tokenizer pads with <|end|>, its end token; transformers would read such a text's score before its end.
        var tokenizer = BpeTrainer.Train(
            ["the cat sat on the mat"],
            270,
            ["<|end|>", "<|spare|>"],
            chatTemplate: null,
            eosToken: "<|end|>",
            padToken: "<|end|>"
        );
        Save(tokenizer);
        var spare = tokenizer.RequireId("<|spare|>");
        Assert.Equal(spare, Json("config.json")["pad_token_id"]!.GetValue<int>());
        var read = Tokenizer.Load(_folder);
        Assert.Equal((spare, tokenizer.EosId), (read.PadId, read.EosId));
    }

    [Fact]
    public void SmolLM2_pads_scores_with_its_unknown_token()
    {
        using var file = GgufFile.Open(Golden.RequireModel("SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf"));
        Save(Tokenizer.FromGguf(file));
        Assert.Equal(0, Json("config.json")["pad_token_id"]!.GetValue<int>());
        Assert.Equal("<|endoftext|>", Json("tokenizer_config.json")["pad_token"]!.GetValue<string>());
    }

    private void Save(Tokenizer? tokenizer)
    {
        var family = DecoderFamilies.Find("llama")!;
        ScalarHeadFolder.Save(_folder, _body, _head, family, ModelSaver.ConfigJson(Tiny.Config, family), tokenizer);
    }

    private JsonObject Json(string name) => JsonNode.Parse(File.ReadAllText(Path.Combine(_folder, name)))!.AsObject();
}
