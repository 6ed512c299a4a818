using System.Text.Json;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Families;

namespace RlHarness.Models.Loading;

/// <summary>What a model's files say, without its weights being read: the content of <c>model inspect</c>.</summary>
public sealed record ModelInspection
{
    public required string Path { get; init; }

    /// <summary><c>safetensors</c>, <c>gguf</c> or <c>adapter</c>.</summary>
    public required string Format { get; init; }

    /// <summary>Null when this program does not know the family.</summary>
    public string? Family { get; init; }
    public string? Architecture { get; init; }

    /// <summary>Numbers of the model as it is loaded; tied weights count once.</summary>
    public long Parameters { get; init; }
    public int Layers { get; init; }
    public int HiddenSize { get; init; }
    public int IntermediateSize { get; init; }
    public int AttentionHeads { get; init; }
    public int KeyValueHeads { get; init; }
    public int HeadDim { get; init; }
    public int VocabularySize { get; init; }
    public int ContextLength { get; init; }
    public bool TiedEmbeddings { get; init; }
    public string? Rope { get; init; }
    public int? SlidingWindow { get; init; }

    /// <summary>Numbers in the file, by how they are stored.</summary>
    public IReadOnlyDictionary<string, long> Dtypes { get; init; } = new Dictionary<string, long>();

    /// <summary>Null when there is no tokenizer, or none that can be read.</summary>
    public string? Tokenizer { get; init; }
    public int? TokenizerSize { get; init; }
    public IReadOnlyDictionary<string, string> SpecialTokens { get; init; } = new Dictionary<string, string>();
    public bool HasChatTemplate { get; init; }
    public IReadOnlyList<int> EndTokenIds { get; init; } = [];

    /// <summary>Whether the chat template reads the clock: its text then depends on the run's date.</summary>
    public bool TemplateReadsClock { get; init; }

    /// <summary>What an adapter changes; null for a model.</summary>
    public LoraInspection? Adapter { get; init; }

    /// <summary>What keeps the model from being loaded or trained here; empty when nothing does.</summary>
    public IReadOnlyList<string> NotSupported { get; init; } = [];

    /// <summary>What was decided where the files say two things, and what they lack.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Tensors of the file that the model does not use.</summary>
    public IReadOnlyList<string> UnusedTensors { get; init; } = [];

    /// <exception cref="HarnessException">There is no model at the path, or its files are cut or foreign.</exception>
    public static ModelInspection Of(string path)
    {
        if (LoraInspection.Is(path))
            return LoraInspection.Of(path);
        try
        {
            using var opened = ModelLoader.Open(path);
            return Of(path, opened);
        }
        catch (HarnessException e)
            when (e.Message.Contains("not supported", StringComparison.Ordinal) || e.Message.Contains("text and images", StringComparison.Ordinal))
        {
            return Foreign(path, e);
        }
    }

    private static ModelInspection Of(string path, ModelLoader.Opened opened)
    {
        var c = opened.Config;
        var layout = new ParameterLayout(c, fusedOnDisk: opened.Family.FusedOnDisk);
        var problems = Missing(layout, opened, out var unused);
        Tokenizer? tokenizer = null;
        var hasTokenizer = opened.IsGguf
            ? ((GgufFile)opened.Weights).Metadata.ContainsKey("tokenizer.ggml.model")
            : File.Exists(System.IO.Path.Combine(path, "tokenizer.json"));
        try
        {
            if (hasTokenizer)
                tokenizer = opened.IsGguf ? Formats.Tokenizers.Tokenizer.FromGguf((GgufFile)opened.Weights) : Formats.Tokenizers.Tokenizer.Load(path);
            else
                problems.Add("no tokenizer: generation from text and training need one");
        }
        catch (HarnessException e)
        {
            problems.Add("tokenizer: " + OneLine(e));
        }

        if (tokenizer is { } t && t.VocabularySize > c.VocabSize)
            problems.Add($"the tokenizer has {t.VocabularySize} tokens, the model {c.VocabSize}");
        if (tokenizer is not null && tokenizer.ChatTemplate is null)
            problems.Add("no chat template: generate needs --raw, and training does not know the model's format");
        return new ModelInspection
        {
            Path = path,
            Format = opened.IsGguf ? "gguf" : "safetensors",
            Family = opened.Family.ModelType,
            Architecture = (opened.Json["architectures"] as JsonArray)?.FirstOrDefault()?.ToString() ?? opened.Family.Architecture,
            Parameters = layout.Parameters.Sum(p => p.Count),
            Layers = c.NumHiddenLayers,
            HiddenSize = c.HiddenSize,
            IntermediateSize = c.IntermediateSize,
            AttentionHeads = c.NumAttentionHeads,
            KeyValueHeads = c.NumKeyValueHeads,
            HeadDim = c.HeadDim,
            VocabularySize = c.VocabSize,
            ContextLength = c.MaxPositionEmbeddings,
            TiedEmbeddings = c.TieWordEmbeddings,
            Rope = $"{c.Rope.RopeType}, theta {c.Rope.RopeTheta.ToString(System.Globalization.CultureInfo.InvariantCulture)}",
            SlidingWindow = c.SlidingWindow,
            Dtypes = opened
                .Weights.Entries.Values.GroupBy(e => e.Type.ToString())
                .OrderByDescending(g => g.Sum(e => e.Elements))
                .ToDictionary(g => g.Key, g => g.Sum(e => e.Elements)),
            Tokenizer = tokenizer is null ? null : Kind(path, opened),
            TokenizerSize = tokenizer?.VocabularySize,
            SpecialTokens = tokenizer?.SpecialTokens ?? new Dictionary<string, string>(),
            HasChatTemplate = tokenizer?.ChatTemplate is not null,
            TemplateReadsClock = tokenizer?.TemplateReadsClock ?? false,
            EndTokenIds = ModelLoader.StopIds(path, c, tokenizer),
            NotSupported = problems,
            UnusedTensors = unused,
            Warnings = [.. opened.Warnings, .. Rows(tokenizer, c.VocabSize)],
        };
    }

    private static IEnumerable<string> Rows(Tokenizer? tokenizer, int rows) =>
        tokenizer is null ? []
        : tokenizer.IdsWithoutToken(rows) is { Count: > 0 } lacking
            ? [.. tokenizer.Notes, $"{lacking.Count} of {rows} rows have no token in the tokenizer: they are never drawn"]
        : tokenizer.Notes;

    private static List<string> Missing(ParameterLayout layout, ModelLoader.Opened opened, out IReadOnlyList<string> unused)
    {
        var problems = new List<string>();
        foreach (var disk in layout.Disk)
        {
            var name = opened.IsGguf ? GgufNames.Of(disk.DiskName) : disk.DiskName;
            if (ModelLoader.Find(opened.Weights, name) is not { } entry)
                problems.Add($"{name} is missing");
            else if (!entry.Shape.SequenceEqual(disk.Shape))
                problems.Add($"{name} has shape [{string.Join(", ", entry.Shape)}], expected [{string.Join(", ", disk.Shape)}]");
        }

        unused = Loading.UnusedTensors.Of(opened);
        if (Loading.UnusedTensors.Meaningful(opened, unused) is { Count: > 0 } meaningful)
            problems.Add(
                "tensors that change the meaning of others, such as scales of a quantisation or biases that config.json does not ask for: "
                    + string.Join(", ", meaningful.Take(4))
                    + (meaningful.Count > 4 ? ", …" : "")
            );
        return problems;
    }

    /// <summary>A model that is not supported: what its config.json says of itself, and why not.</summary>
    private static ModelInspection Foreign(string path, HarnessException error)
    {
        var file = System.IO.Path.Combine(path, "config.json");
        var json = File.Exists(file) ? SmallFile.ReadObject(file, "a model's config.json") : null;
        return new ModelInspection
        {
            Path = path,
            Format = json is null ? "gguf" : "safetensors",
            Family = DecoderFamilies.Find(json?["model_type"]?.ToString() ?? "")?.ModelType,
            Architecture = (json?["architectures"] as JsonArray)?.FirstOrDefault()?.ToString() ?? json?["model_type"]?.ToString(),
            NotSupported = [OneLine(error)],
        };
    }

    private static string Kind(string path, ModelLoader.Opened opened)
    {
        if (opened.IsGguf)
            return "byte-pair encoding, GGUF kind " + ((GgufFile)opened.Weights).Metadata["tokenizer.ggml.model"];
        using var document = JsonDocument.Parse(File.ReadAllBytes(System.IO.Path.Combine(path, "tokenizer.json")));
        var model = document.RootElement.GetProperty("model");
        var fallback = model.TryGetProperty("byte_fallback", out var b) && b.ValueKind == JsonValueKind.True;
        return $"{(model.TryGetProperty("type", out var type) ? type.GetString() : "BPE")}, "
            + $"{(fallback ? "SentencePiece-like with byte fallback" : "byte-level")}";
    }

    private static string OneLine(HarnessException e) =>
        string.Join("; ", e.Message.Split('\n').Select(l => string.Join(' ', l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Trim()));
}
