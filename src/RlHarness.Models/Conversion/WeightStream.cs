using System.Runtime.InteropServices;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using static TorchSharp.torch;

namespace RlHarness.Models.Conversion;

/// <summary>A model's tensors under other names and types, each read when its turn to be written comes.</summary>
internal sealed class WeightStream(ModelLoader.Opened source, ParameterLayout layout, LoraAdapters? adapters)
{
    private const long Piece = 1 << 23; // a multiple of every block

    /// <exception cref="HarnessException">Tensors are missing or misshapen; all of them are named.</exception>
    public void Check()
    {
        var problems = layout
            .Disk.Where(disk => !IsSavedHead(disk))
            .Select(disk => (Name: NameIn(source.IsGguf, disk), disk.Shape, Entry: ModelLoader.Find(source.Weights, NameIn(source.IsGguf, disk))))
            .Where(x => x.Entry is null || !x.Entry.Shape.SequenceEqual(x.Shape))
            .Select(x => x.Entry is null ? $"{x.Name} is missing" : $"{x.Name} has shape [{string.Join(", ", x.Entry.Shape)}]")
            .ToArray();
        if (problems.Length > 0)
            throw HarnessException.BadFile(
                source.Weights.Path,
                "the weights do not fit the configuration",
                string.Join("; ", problems.Take(8)),
                $"{layout.Disk.Count} tensors of a {source.Config.ModelType}",
                "is the download complete?"
            );
    }

    /// <summary>Norms and biases are F32 in GGUF, as ggml needs them; matrices whose rows are not whole blocks are F16.</summary>
    public IEnumerable<WeightSource> Sources(WeightType type, bool gguf) =>
        Frequencies(gguf)
            .Concat(
                layout.Disk.Select(disk =>
                {
                    var own =
                        !gguf ? type
                        : disk.Shape.Length == 1 ? WeightType.F32
                        : disk.Shape[^1] % WeightTypes.Block(type) == 0 ? type
                        : WeightType.F16;
                    return new WeightSource(NameIn(gguf, disk), own, disk.Shape, stream => Write(stream, disk, own, gguf));
                })
            );

    /// <summary>Rope's frequencies where GGUF keeps them beside the weights.</summary>
    private IEnumerable<WeightSource> Frequencies(bool gguf) =>
        gguf && GgufMetadata.Divisors(source.Config) is { } table
            ? [new(GgufNames.RopeFrequencies, WeightType.F32, [table.Length], MemoryMarshal.AsBytes<float>(table).ToArray())]
            : [];

    private static string NameIn(bool gguf, DiskTensor disk) => gguf ? GgufNames.Of(disk.DiskName) : disk.DiskName;

    private bool IsSavedHead(DiskTensor disk) => adapters?.SavedHead is not null && disk.DiskName == ParameterLayout.Head;

    private void Write(Stream stream, DiskTensor disk, WeightType type, bool gguf)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var values = empty(disk.Shape, dtype: ScalarType.Float32);
        if (IsSavedHead(disk))
            values.copy_(adapters!.SavedHead!);
        else
            WeightReader.Into(source.Weights, ModelLoader.Find(source.Weights, NameIn(source.IsGguf, disk))!, values);
        var heads = ModelLoader.RotaryHeads(source.Family, source.Config, disk);
        if (source.IsGguf && heads is { } from)
            WeightReader.UndoInterleave(values, from);
        foreach (var slice in adapters?.Slices.Where(s => s.DiskModule + ".weight" == disk.DiskName) ?? [])
            values.add_(adapters!.Delta(slice));
        if (gguf && heads is { } to)
            WeightReader.Interleave(values, to);
        var flat = values.view(-1);
        for (var at = 0L; at < flat.shape[0]; at += Piece)
        {
            using var step = NewDisposeScope();
            var piece = flat.narrow(0, at, Math.Min(Piece, flat.shape[0] - at));
            stream.Write(Quantizer.FromFloat(type, MemoryMarshal.Cast<byte, float>(piece.bytes)));
        }
    }
}
