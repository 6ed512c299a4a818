using System.Text.Json;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;

namespace RlHarness.Models.Loading;

/// <summary>
/// A body with a scalar head as the folder that transformers opens as <c>AutoModelForSequenceClassification</c> with one label: <c>score.weight</c>
/// [1, H] beside the body. There the head has no bias; ours is written as <c>score.bias</c>, which transformers reports as unused, so that its scores
/// are lower by that constant.
/// </summary>
public static class ScalarHeadFolder
{
    /// <summary>Writes body, head, and the tokenizer where there is one.</summary>
    /// <param name="folder">Made where it is absent.</param>
    /// <param name="body">Its head for tokens, if it has one, is left out.</param>
    /// <param name="head">The scalar head.</param>
    /// <param name="family">The body's family.</param>
    /// <param name="configJson">The model's config.json.</param>
    /// <param name="tokenizer">Null: none is written.</param>
    public static void Save(string folder, Decoder body, ScalarHead head, IDecoderFamily family, JsonObject configJson, Tokenizer? tokenizer) =>
        Save(folder, body, head, family, configJson, tokenizer, null, []);

    /// <summary>A head over a body of the same family as a model, with the model's files beside it.</summary>
    public static void Save(string folder, Decoder body, ScalarHead head, LoadedModel model) =>
        Save(folder, body, head, model.Family, model.ConfigJson, model.Tokenizer, model.Generation, model.StopIds);

    private static void Save(
        string folder,
        Decoder body,
        ScalarHead head,
        IDecoderFamily family,
        JsonObject configJson,
        Tokenizer? tokenizer,
        JsonObject? generation,
        IReadOnlyList<int> stops
    )
    {
        var json = ModelSaver.Config(configJson, family.SequenceClassification, WeightType.F32);
        json["id2label"] = new JsonObject { ["0"] = "score" };
        json["label2id"] = new JsonObject { ["score"] = 0 };
        json["problem_type"] = "regression";
        var pad = PadId(body.Config, tokenizer);
        json["pad_token_id"] = pad;
        var weights = ModelSaver
            .Sources(body)
            .Where(source => source.Name != ParameterLayout.Head)
            .Concat(
                head.Parameters.Specs.Select(s => new WeightSource(s.Name, WeightType.F32, s.Shape, stream =>
                    ModelSaver.Write(stream, head.Parameters[s.Name], 0, s.Shape[0], s.Name)
                ))
            );
        ModelSaver.Write(folder, weights, json, tokenizer, generation, stops);
        if (tokenizer is not null && pad is { } id && id != tokenizer.PadId)
            SetPadToken(folder, tokenizer.TokenOf(id));
    }

    /// <summary>Fills body and head from a folder.</summary>
    /// <exception cref="HarnessException">Tensors are missing or of other shapes.</exception>
    public static void Load(string folder, Decoder body, ScalarHead head)
    {
        using (var opened = ModelLoader.Open(folder))
            ModelLoader.Fill(body, opened);
        LoadHead(folder, head);
    }

    /// <summary>Fills a head; a folder without <c>score.bias</c>, as transformers writes it, has bias 0.</summary>
    /// <exception cref="HarnessException">There is no <c>score.weight</c> [1, H] in the folder.</exception>
    public static void LoadHead(string folder, ScalarHead head)
    {
        using var file = SafetensorsSet.Open(folder);
        var weight = head.Parameters[ScalarHead.Weight];
        WeightReader.Into(file, Entry(folder, file, weight.shape[1]), weight);
        using (TorchSharp.torch.no_grad())
        using (TorchSharp.torch.NewDisposeScope())
            head.Parameters[ScalarHead.Bias].zero_();
        if (file.Entries.TryGetValue(ScalarHead.Bias, out var bias))
            WeightReader.Into(file, bias, head.Parameters[ScalarHead.Bias]);
        head.Parameters.Touch();
    }

    /// <summary>That a folder holds a body, a tokenizer with a chat template, and a scalar head of the body's width, without loading them.</summary>
    /// <exception cref="HarnessException">One of them is missing, or of another shape.</exception>
    public static void Check(string folder)
    {
        using var opened = ModelLoader.Open(folder);
        using var file = SafetensorsSet.Open(folder);
        Entry(folder, file, opened.Config.HiddenSize);
        if (Tokenizer.Load(folder).ChatTemplate is null)
            throw HarnessException.BadFile(folder, "the reward model has no chat template", "none", "one that writes what the model scores");
    }

    private static WeightEntry Entry(string folder, SafetensorsSet file, long hidden) =>
        file.Entries.TryGetValue(ScalarHead.Weight, out var entry) && entry.Shape.SequenceEqual([1, hidden])
            ? entry
            : throw HarnessException.BadFile(
                folder,
                "no scalar head in this folder",
                entry is null ? $"no {ScalarHead.Weight}" : $"{ScalarHead.Weight} [{string.Join(", ", entry.Shape)}]",
                $"{ScalarHead.Weight} [1, {hidden}]",
                "a run of an older version has to be started anew; a reward model needs one label"
            );

    // transformers reads the score at the last token that is not pad_token_id. Where a model pads with its end token (SmolLM2), that would be the token
    // before the end: then another special token pads.
    private static int? PadId(DecoderConfig config, Tokenizer? tokenizer)
    {
        var ends = config.EosTokenIds.Concat(tokenizer?.EosId is { } own ? [own] : []).ToHashSet();
        var candidates = new[] { tokenizer?.PadId ?? config.PadTokenId, tokenizer?.UnknownId }
            .OfType<int>()
            .Concat(tokenizer is null ? [] : Enumerable.Range(0, tokenizer.VocabularySize).Where(tokenizer.IsSpecial))
            .Where(id => !ends.Contains(id) && id != tokenizer?.BosId);
        return candidates.Cast<int?>().FirstOrDefault();
    }

    private static void SetPadToken(string folder, string token)
    {
        foreach (var name in new[] { "tokenizer_config.json", "special_tokens_map.json" })
        {
            var path = Path.Combine(folder, name);
            if (!File.Exists(path))
                continue;
            var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
            json["pad_token"] = token;
            AtomicFile.WriteAllText(path, json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
        }
    }
}
