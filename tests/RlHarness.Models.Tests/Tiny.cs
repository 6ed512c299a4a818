using System.Text.Json.Nodes;
using RlHarness.Core.Randomness;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using RlHarness.Models.Loading;
using TorchSharp;

namespace RlHarness.Models.Tests;

/// <summary>A small model with weights from a named stream.</summary>
internal static class Tiny
{
    internal const int Vocabulary = 300;

    internal static DecoderConfig Config =>
        new()
        {
            ModelType = "llama",
            VocabSize = Vocabulary,
            HiddenSize = 32,
            IntermediateSize = 48,
            NumHiddenLayers = 2,
            NumAttentionHeads = 4,
            NumKeyValueHeads = 2,
            HeadDim = 8,
            MaxPositionEmbeddings = 64,
            Rope = new RopeSettings { RopeTheta = 10000 },
            EosTokenIds = [2],
        };

    internal static Decoder Decoder(bool requiresGrad = false) => Decoder(Config.HeadDim, requiresGrad);

    internal static Decoder Decoder(int headDim, bool requiresGrad = false) => Decoder(Config with { HeadDim = headDim }, requiresGrad);

    internal static Decoder Decoder(DecoderConfig config, bool requiresGrad = false)
    {
        var decoder = new Decoder(config, torch.CPU, requiresGrad: requiresGrad);
        Initialization.Normal(decoder, 0.3, new Seeds(1).For("weights"));
        return decoder;
    }

    internal static Tokenizer Tokenizer() =>
        BpeTrainer.Train(["the cat sat on the mat", "a cat and a hat"], 270, ["<|end|>"], chatTemplate: null, eosToken: "<|end|>", padToken: "<|end|>");

    /// <summary>Writes the model to a folder, with config.json changed as asked.</summary>
    internal static void Save(string folder, Action<JsonObject>? change = null)
    {
        using var decoder = Decoder();
        var family = DecoderFamilies.Find("llama")!;
        var json = ModelSaver.ConfigJson(Config, family);
        ModelSaver.Save(folder, decoder, family, json, null);
        if (change is null)
            return;
        var path = Path.Combine(folder, "config.json");
        json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(json);
        File.WriteAllText(path, json.ToJsonString());
    }
}
