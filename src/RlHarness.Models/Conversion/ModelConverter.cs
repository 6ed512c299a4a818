using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using TorchSharp;

namespace RlHarness.Models.Conversion;

/// <summary>
/// From a Hugging Face folder or a GGUF file to either, in another type, with an adapter merged. One tensor is in memory at a time. The target is written
/// aside and renamed; one that is there is not touched.
/// </summary>
public static class ModelConverter
{
    /// <exception cref="HarnessException">The source can't be read, the target is there or can't hold what the source has; nothing is written then.</exception>
    public static ConversionResult Convert(string source, string target, ConversionSettings settings)
    {
        if (Path.Exists(target))
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{target} is there already",
                "a file or folder",
                "a path where there is none",
                "name another target, or remove it"
            );
        if (settings is { ToGguf: false, Type: WeightType.Q8_0 })
            throw new HarnessException(
                ErrorKind.BadInput,
                "a Hugging Face folder can't hold this type",
                "q8_0",
                "f32, f16 or bf16",
                "write GGUF, or choose another type"
            );
        using var opened = ModelLoader.Open(source);
        var tokenizer = ModelLoader.TokenizerOf(source, opened);
        var (config, json) = (opened.Config, (JsonObject)opened.Json.DeepClone());
        if (opened.IsGguf)
            opened.Family.Write(config, json);
        using var adapters = settings.Adapter is { } folder
            ? LoraFolder.Load(folder, new ParameterLayout(config, fusedOnDisk: opened.Family.FusedOnDisk), torch.CPU)
            : null;
        if (adapters?.SavedHead is not null && config.TieWordEmbeddings)
        {
            config = config with { TieWordEmbeddings = false };
            json["tie_word_embeddings"] = false;
        }

        // A trained change is often smaller than the steps of a 16-bit type: what an adapter adds is kept unless another type is asked for.
        var type = settings.Type ?? (adapters is null ? Usual(opened.Weights, settings.ToGguf) : WeightType.F32);
        var notes = new List<string>();
        var layout = new ParameterLayout(config, fusedOnDisk: opened.Family.FusedOnDisk);
        var stream = new WeightStream(opened, layout, adapters);
        stream.Check();
        UnusedTensors.Refuse(opened, UnusedTensors.Of(opened));
        notes.AddRange(opened.Warnings);
        notes.AddRange(UnusedTensors.Warning(opened, UnusedTensors.Of(opened)));
        if (tokenizer is null)
            notes.Add("the source has no tokenizer, so the target has none");
        var ends = ModelLoader.StopIds(source, opened.Config, tokenizer);
        var weights = settings.ToGguf
            ? Gguf(target, stream, config, opened, tokenizer, type, ends, notes)
            : Folder(target, stream, ModelSaver.Config(json, opened.Family.Architecture, type), source, tokenizer, type, ends);
        notes.AddRange(stream.Notes());
        return new ConversionResult(
            target,
            weights.Count,
            weights.Sum(w => WeightTypes.ByteLength(w.Type, w.Shape)),
            type.ToString().ToLowerInvariant(),
            notes
        );
    }

    private static List<WeightSource> Folder(
        string target,
        WeightStream stream,
        JsonObject json,
        string source,
        Tokenizer? tokenizer,
        WeightType type,
        IReadOnlyList<int> ends
    )
    {
        var weights = stream.Sources(type, gguf: false).ToList();
        var aside = $"{Path.TrimEndingDirectorySeparator(target)}.{Environment.ProcessId}.tmp";
        try
        {
            ModelSaver.Write(aside, weights, json, tokenizer, GenerationConfig.Read(source), ends);
            Directory.Move(aside, target);
        }
        catch
        {
            if (Directory.Exists(aside))
                Directory.Delete(aside, recursive: true);
            throw;
        }

        return weights;
    }

    private static List<WeightSource> Gguf(
        string target,
        WeightStream stream,
        DecoderConfig config,
        ModelLoader.Opened opened,
        Tokenizer? tokenizer,
        WeightType type,
        IReadOnlyList<int> ends,
        List<string> notes
    )
    {
        var metadata = GgufMetadata.Of(config, opened, tokenizer, type, ends, notes);
        var weights = stream.Sources(type, gguf: true).ToList();
        var kept = weights.Count(w => w.Shape.Length > 1 && w.Type != type);
        if (kept > 0)
            notes.Add($"{kept} matrices are F16, because their rows are not whole blocks of {WeightTypes.Block(type)}");
        GgufWriter.Write(target, metadata, weights);
        return weights;
    }

    private static WeightType Usual(IWeightFile file, bool gguf)
    {
        var most = file.Entries.Values.GroupBy(entry => entry.Type).MaxBy(group => group.Sum(entry => entry.Elements))!.Key;
        return most is WeightType.F16 or WeightType.BF16 || (gguf && most == WeightType.Q8_0) ? most : WeightType.F32;
    }
}

/// <summary>What was written.</summary>
/// <param name="Target">The folder or file.</param>
/// <param name="Tensors">Their number.</param>
/// <param name="Bytes">Of the weights.</param>
/// <param name="Type">Of the matrices (<c>f32</c>, …); norms and biases in GGUF are F32.</param>
/// <param name="Notes">What the new form does not carry, or carries otherwise; empty when nothing.</param>
public sealed record ConversionResult(string Target, int Tensors, long Bytes, string Type, IReadOnlyList<string> Notes);

/// <summary>What to write.</summary>
public sealed record ConversionSettings
{
    /// <summary>A GGUF file; else a Hugging Face folder.</summary>
    public required bool ToGguf { get; init; }

    /// <summary>
    /// F32, F16, BF16, and for GGUF also Q8_0. Null: with an adapter F32, which keeps all of it; else that of most of the source's numbers where it is one
    /// of these, else F32, which loses nothing.
    /// </summary>
    public WeightType? Type { get; init; }

    /// <summary>An adapter in PEFT's format to be added to the weights, or null.</summary>
    public string? Adapter { get; init; }
}
