using System.Globalization;
using System.Runtime.InteropServices;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Models.Native;
using static TorchSharp.torch;

namespace RlHarness.Models.Conversion;

/// <summary>A model's tensors under other names and types, each read when its turn to be written comes.</summary>
internal sealed class WeightStream(ModelLoader.Opened source, ParameterLayout layout, LoraAdapters? adapters)
{
    private const long Piece = 1 << 23; // a multiple of every block
    private double _change,
        _lost;

    /// <summary>What rounding took from an adapter that was merged; known when everything is written.</summary>
    public IEnumerable<string> Notes()
    {
        var share = _change > 0 ? Math.Sqrt(_lost / _change) : 0;
        return share < 0.1
            ? []
            :
            [
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"rounding to this type moved the merged weights by {share:p0} of what the adapter changes (root mean square): write f32 to keep it"
                ),
            ];
    }

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

    private void Hold(string name, WeightType type, ReadOnlySpan<float> numbers, ReadOnlySpan<float> stored)
    {
        var odd = FiniteNumbers.FirstOther(stored);
        if (odd < 0)
            return;
        // A block's scale is what has no room: its largest number says why.
        var block = WeightTypes.Block(type);
        var from = odd / block * block;
        var largest = numbers.Slice(from, Math.Min(block, numbers.Length - from)).ToArray().MaxBy(Math.Abs);
        throw new HarnessException(
            ErrorKind.BadInput,
            $"{source.Weights.Path}: tensor {name} holds a number that {type.ToString().ToLowerInvariant()} can't hold",
            largest.ToString("r", CultureInfo.InvariantCulture),
            type == WeightType.F16 ? "at most 65504, rounded" : "a number within the type's range",
            "write bf16 or f32; nothing was written"
        );
    }

    private void Write(Stream stream, DiskTensor disk, WeightType type, bool gguf)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var values = empty(disk.Shape, dtype: ScalarType.Float32, device: CPU);
        if (IsSavedHead(disk))
            values.copy_(adapters!.SavedHead!);
        else
            WeightReader.Into(source.Weights, ModelLoader.Find(source.Weights, NameIn(source.IsGguf, disk))!, values);
        var heads = ModelLoader.RotaryHeads(source.Family, source.Config, disk);
        if (source.IsGguf && heads is { } from)
            WeightReader.UndoInterleave(values, from);
        var slices = adapters?.Slices.Where(s => s.DiskModule + ".weight" == disk.DiskName).ToArray() ?? [];
        var before = slices.Length > 0 && type != WeightType.F32 ? values.clone() : null;
        foreach (var slice in slices)
            values.add_(adapters!.Delta(slice));
        if (gguf && heads is { } to)
        {
            WeightReader.Interleave(values, to);
            if (before is not null)
                WeightReader.Interleave(before, to);
        }

        before = before?.view(-1);
        var flat = values.view(-1);
        for (var at = 0L; at < flat.shape[0]; at += Piece)
        {
            using var step = NewDisposeScope();
            var piece = flat.narrow(0, at, Math.Min(Piece, flat.shape[0] - at));
            var numbers = MemoryMarshal.Cast<byte, float>(HostReads.Memory(piece));
            var stored = Quantizer.FromFloat(type, numbers);
            var read = numbers;
            if (type != WeightType.F32)
                Dequantizer.ToFloat(type, stored, read = new float[numbers.Length]);
            Hold(NameIn(gguf, disk), type, numbers, read);
            stream.Write(stored);
            if (before is null)
                continue;
            var old = MemoryMarshal.Cast<byte, float>(HostReads.Memory(before.narrow(0, at, piece.shape[0])));
            for (var i = 0; i < numbers.Length; i++)
            {
                _change += Math.Pow((double)numbers[i] - old[i], 2);
                _lost += Math.Pow((double)numbers[i] - read[i], 2);
            }
        }
    }
}
