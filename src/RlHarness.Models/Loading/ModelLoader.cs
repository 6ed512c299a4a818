using System.Text.Json;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;
using TorchSharp;

namespace RlHarness.Models.Loading;

/// <summary>Loads a model from a Hugging Face folder or a GGUF file.</summary>
public static class ModelLoader
{
    /// <summary>
    /// Called with what a user should know of a model that is loaded all the same: tensors that nobody uses, settings that contradict each other. The
    /// command line prints it.
    /// </summary>
    public static event Action<string>? Warned;

    /// <summary>What inspection needs: family, configuration and weights' index, without loading the weights.</summary>
    public sealed record Opened(IDecoderFamily Family, JsonObject Json, DecoderConfig Config, IWeightFile Weights, bool IsGguf) : IDisposable
    {
        /// <summary>What was decided where the files say two things, and what they lack.</summary>
        public IReadOnlyList<string> Warnings { get; init; } = [];

        public void Dispose() => Weights.Dispose();
    }

    /// <summary>Opens a folder with config.json and safetensors, a GGUF file, or a folder that holds exactly one GGUF file.</summary>
    public static Opened Open(string path, string configName = "config.json")
    {
        if (File.Exists(path))
            return OpenGguf(path);
        if (!Directory.Exists(path))
            throw HarnessException.BadFile(
                path,
                "no such model",
                "nothing at this path",
                "a Hugging Face folder (config.json, model.safetensors) or a GGUF file",
                "check the path, or set RLHARNESS_MODELS to the folder that holds your models"
            );
        var configPath = Path.Combine(path, configName);
        if (File.Exists(configPath))
            return OpenFolder(path, configPath);
        var gguf = Directory.GetFiles(path, "*.gguf");
        if (gguf.Length == 1)
            return OpenGguf(gguf[0]);
        throw HarnessException.BadFile(
            path,
            "no model in this folder",
            gguf.Length == 0 ? "neither config.json nor a .gguf file" : $"{gguf.Length} .gguf files",
            "config.json with safetensors, or one .gguf file",
            "name the file itself"
        );
    }

    /// <summary>Loads weights, configuration and tokenizer.</summary>
    /// <param name="path">A folder or a GGUF file.</param>
    /// <param name="device">Where the weights go.</param>
    /// <param name="requiresGrad">Whether the weights are trained.</param>
    /// <param name="withHead">Whether there is a head for tokens.</param>
    /// <param name="withTokenizer">Whether the tokenizer is read.</param>
    /// <param name="configName">Name of the configuration in the folder.</param>
    /// <param name="frozen">Type of the products of a model that is never trained (<see cref="Decoder.Frozen"/>); null: weights in fp32.</param>
    public static LoadedModel Load(
        string path,
        torch.Device device,
        bool requiresGrad = false,
        bool withHead = true,
        bool withTokenizer = true,
        string configName = "config.json",
        torch.ScalarType? frozen = null
    )
    {
        using var opened = Open(path, configName);
        var layout = new ParameterLayout(opened.Config, withHead, opened.Family.FusedOnDisk);
        var plan = Plan(layout, opened);
        var unused = UnusedTensors.Of(opened);
        UnusedTensors.Refuse(opened, unused);
        var tokenizer = withTokenizer ? TokenizerOf(path, opened) : null;
        var decoder =
            frozen is { } type && !requiresGrad
                ? Decoder.Frozen(opened.Config, device, type, withHead, opened.Family.FusedOnDisk)
                : new Decoder(opened.Config, device, withHead, requiresGrad, opened.Family.FusedOnDisk);
        try
        {
            Fill(decoder, opened, plan);
        }
        catch
        {
            decoder.Dispose();
            throw;
        }

        var warnings = new List<string>([.. opened.Warnings, .. UnusedTensors.Warning(opened, unused), .. tokenizer?.Notes ?? []]);
        if (tokenizer is not null && tokenizer.IdsWithoutToken(opened.Config.VocabSize) is { Count: > 0 } rows)
        {
            decoder.WithoutToken = rows;
            warnings.Add(
                $"{path}: the model has {opened.Config.VocabSize} rows of tokens, its tokenizer lacks {rows.Count} (from id {rows[0]}): these are never drawn"
            );
        }

        foreach (var warning in warnings)
            Warned?.Invoke(warning);
        var generation = GenerationConfig.Read(path);
        return new LoadedModel(decoder, opened.Family, opened.Json, tokenizer, path)
        {
            StopIds = StopIds(path, opened.Config, tokenizer, generation),
            Generation = generation,
            Warnings = warnings,
        };
    }

    /// <summary>The model's tokenizer, or null where its source has none.</summary>
    internal static Tokenizer? TokenizerOf(string path, Opened opened) =>
        opened.Weights is GgufFile file
            ? file.Metadata.ContainsKey("tokenizer.ggml.model")
                ? Tokenizer.FromGguf(file)
                : null
            : File.Exists(Path.Combine(path, "tokenizer.json"))
                ? Tokenizer.Load(path)
                : null;

    /// <summary>Copies the file's weights into the decoder; reports all missing and misshapen tensors together.</summary>
    internal static void Fill(Decoder decoder, Opened opened) => Fill(decoder, opened, Plan(decoder.Layout, opened));

    private static void Fill(Decoder decoder, Opened opened, List<(DiskTensor Disk, WeightEntry Entry)> plan)
    {
        foreach (var (disk, entry) in plan)
        {
            using var scope = torch.NewDisposeScope();
            using var guard = torch.no_grad();
            var target = decoder.Parameters[disk.Parameter].narrow(0, disk.Offset, disk.Rows);
            WeightReader.Into(opened.Weights, entry, target);
            if (opened.IsGguf && RotaryHeads(opened.Family, opened.Config, disk) is { } heads)
                WeightReader.UndoInterleave(target, heads);
        }

        decoder.Parameters.Touch();
    }

    // Before any memory is taken: the file must hold what the configuration asks for.
    private static List<(DiskTensor Disk, WeightEntry Entry)> Plan(ParameterLayout layout, Opened opened)
    {
        var problems = new List<string>();
        var plan = new List<(DiskTensor Disk, WeightEntry Entry)>();
        foreach (var disk in layout.Disk)
        {
            var name = opened.IsGguf ? GgufNames.Of(disk.DiskName) : disk.DiskName;
            var entry = Find(opened.Weights, name);
            if (entry is null)
                problems.Add($"{name} is missing");
            else if (!entry.Shape.SequenceEqual(disk.Shape))
                problems.Add($"{name} has shape [{string.Join(", ", entry.Shape)}], expected [{string.Join(", ", disk.Shape)}]");
            else
                plan.Add((disk, entry));
        }

        return problems.Count == 0
            ? plan
            : throw HarnessException.BadFile(
                opened.Weights.Path,
                "the weights do not fit the configuration",
                string.Join("; ", problems.Take(8)) + (problems.Count > 8 ? $"; and {problems.Count - 8} more" : ""),
                $"{layout.Disk.Count} tensors of a {opened.Config.ModelType}",
                "is the download complete, and does config.json belong to these weights?"
            );
    }

    /// <summary>Heads of a tensor whose rotary rows GGUF interleaves, or null.</summary>
    internal static int? RotaryHeads(IDecoderFamily family, DecoderConfig config, DiskTensor disk) =>
        !family.GgufInterleavesRotary ? null
        : disk.DiskName.Contains(".q_proj.", StringComparison.Ordinal) ? config.NumAttentionHeads
        : disk.DiskName.Contains(".k_proj.", StringComparison.Ordinal) ? config.NumKeyValueHeads
        : null;

    /// <summary>Hub files of a body alone (AutoModel) leave out the prefix <c>model.</c>.</summary>
    internal static WeightEntry? Find(IWeightFile file, string name) =>
        file.Entries.TryGetValue(name, out var entry) ? entry
        : name.StartsWith("model.", StringComparison.Ordinal) && file.Entries.TryGetValue(name[6..], out entry) ? entry
        : null;

    private static Opened OpenFolder(string folder, string configPath)
    {
        var json = SmallFile.ReadObject(configPath, "a model's config.json");
        if (json["text_config"] is JsonObject)
            throw HarnessException.BadFile(
                configPath,
                "a model of text and images",
                "text_config",
                "a text-only decoder",
                "use the text-only variant of the model"
            );
        var type =
            json["model_type"] is not { } named ? ""
            : named.GetValueKind() == JsonValueKind.String ? named.GetValue<string>()
            : named.ToJsonString();
        var family = DecoderFamilies.Find(type)
            ?? throw HarnessException.BadFile(
                configPath,
                "model family not supported",
                $"model_type \"{type}\"",
                DecoderFamilies.Names,
                "see docs/model-families.md for how to add one"
            );
        var reader = new ConfigReader(json, configPath);
        var config = family.Read(reader);
        Check(config, configPath);
        var weights = SafetensorsSet.Open(folder);
        try
        {
            CheckLayers(config, weights, configPath);
            if (config.TieWordEmbeddings && OwnHead(weights))
            {
                // transformers leaves such a head untied, and so does whoever opens what is saved from here.
                config = config with { TieWordEmbeddings = false };
                json["tie_word_embeddings"] = false;
                reader.Warn($"tie_word_embeddings is true, and {weights.Path} holds another {ParameterLayout.Head}: that head counts, as in transformers");
            }

            return new Opened(family, json, config, weights, IsGguf: false) { Warnings = reader.Warnings };
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Whether the file has a head that is not the embeddings once more.</summary>
    private static bool OwnHead(SafetensorsSet weights)
    {
        if (Find(weights, ParameterLayout.Head) is not { } head || Find(weights, ParameterLayout.Embeddings) is not { } embeddings)
            return false;
        if (head.Type != embeddings.Type || !head.Shape.SequenceEqual(embeddings.Shape))
            return true;
        const int Piece = 1 << 26;
        for (var at = 0L; at < head.Length; at += Piece)
        {
            var count = (int)Math.Min(Piece, head.Length - at);
            if (!weights.Bytes(head, at, count).SequenceEqual(weights.Bytes(embeddings, at, count)))
                return true;
        }

        return false;
    }

    // Each layer has tensors of its own: a number of layers beyond that of the tensors is refused before lists of that size are made.
    private static void CheckLayers(DecoderConfig config, IWeightFile weights, string path)
    {
        if (config.NumHiddenLayers > weights.Entries.Count)
            throw HarnessException.BadFile(
                path,
                "more layers than the weights can hold",
                $"num_hidden_layers {config.NumHiddenLayers}",
                $"at most {weights.Entries.Count}, the number of tensors in {weights.Path}",
                "is the download complete, and does the configuration belong to these weights?"
            );
    }

    private static Opened OpenGguf(string path)
    {
        var file = GgufFile.Open(path);
        try
        {
            var architecture = file.Require<string>("general.architecture");
            var family = DecoderFamilies.FindGguf(architecture)
                ?? throw HarnessException.BadFile(
                    path,
                    "model family not supported in GGUF",
                    architecture,
                    string.Join(", ", DecoderFamilies.All.Select(f => f.GgufArchitecture).Where(a => a is not null)),
                    "use the model's Hugging Face folder"
                );
            var json = GgufNames.Config(file, family);
            var reader = new ConfigReader(json, path);
            var config = family.Read(reader);
            CheckLayers(config, file, path);
            if (family.ModelType == "llama" && file.Entries.ContainsKey("blk.0.attn_q.bias"))
                config = config with { QkvBias = true };
            Check(config, path);
            return new Opened(family, json, config, file, IsGguf: true) { Warnings = reader.Warnings };
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void Check(DecoderConfig c, string path)
    {
        void Need(bool fine, string what, string found, string expected)
        {
            if (!fine)
                throw HarnessException.BadFile(path, what, found, expected);
        }

        Need(
            c.NumKeyValueHeads > 0 && c.NumAttentionHeads % c.NumKeyValueHeads == 0,
            "heads do not divide into groups",
            $"{c.NumAttentionHeads} heads over {c.NumKeyValueHeads}",
            "a multiple"
        );
        Need(c.HeadDim % 2 == 0, "odd head size", $"{c.HeadDim}", "an even number (rotary positions)");
    }

    /// <summary>Ids that end an answer: the configuration's, the tokenizer's and generation_config.json's.</summary>
    internal static IReadOnlyList<int> StopIds(string path, DecoderConfig config, Tokenizer? tokenizer) =>
        StopIds(path, config, tokenizer, GenerationConfig.Read(path));

    private static IReadOnlyList<int> StopIds(string path, DecoderConfig config, Tokenizer? tokenizer, JsonObject? generation) =>
        [.. config.EosTokenIds.Concat(tokenizer?.EosId is { } eos ? [eos] : []).Concat(GenerationConfig.Ends(generation, path, config.VocabSize)).Distinct()];
}

/// <summary>A decoder with what belongs to it: its family, its config.json, and its tokenizer where the source has one.</summary>
public sealed record LoadedModel(Decoder Decoder, IDecoderFamily Family, JsonObject ConfigJson, Tokenizer? Tokenizer, string Source) : IDisposable
{
    /// <summary>Ids that end an answer: the configuration's and the tokenizer's.</summary>
    public IReadOnlyList<int> StopIds { get; init; } = [];

    /// <summary>The source's generation_config.json, whose keys are kept when the model is saved; null where there is none.</summary>
    public JsonObject? Generation { get; init; }

    /// <summary>What a user should know of it; <see cref="ModelLoader.Warned"/> was told.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    public void Dispose() => Decoder.Dispose();
}
