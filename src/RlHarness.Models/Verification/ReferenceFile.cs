using System.Runtime.InteropServices;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Models.Loading;
using static TorchSharp.torch;

// Symbols: B sequences, T tokens of the longest.
namespace RlHarness.Models.Verification;

/// <summary>
/// What another implementation computed of a model, in a safetensors file. Three forms are read: padded batches (<c>right.</c> and <c>left.</c>, as
/// <c>scripts/write-expected.py</c> writes), one batch of full rows (<c>input_ids</c>, <c>logits</c>), and numbered conversations (<c>0.input_ids</c>, …).
/// </summary>
internal sealed class ReferenceFile : IDisposable
{
    private readonly SafetensorsFile _file;

    private ReferenceFile(SafetensorsFile file) => _file = file;

    public string Path => _file.Path;

    /// <summary>Names of the tensors.</summary>
    public IEnumerable<string> Names => _file.Entries.Keys;

    /// <summary>
    /// Ids that greedy decoding left out before its last token, where the file says so (metadata <c>suppressed_ids</c>, separated by commas).
    /// </summary>
    public IReadOnlyList<int>? SuppressedIds { get; private init; }

    /// <exception cref="HarnessException">The file is missing, cut, or has no token ids.</exception>
    public static ReferenceFile Open(string path)
    {
        var file = SafetensorsFile.Open(path);
        if (file.Entries.Keys.Any(name => name == "input_ids" || name.EndsWith(".input_ids", StringComparison.Ordinal)))
            return new ReferenceFile(file) { SuppressedIds = Suppressed(file) };
        var found = string.Join(", ", file.Entries.Keys.Order(StringComparer.Ordinal).Take(4));
        file.Dispose();
        throw HarnessException.BadFile(
            path,
            "a safetensors file, but not one of reference values",
            found.Length == 0 ? "no tensors" : $"tensors {found}, …",
            "right.input_ids, right.attention_mask, right.logits, …",
            "write it with scripts/write-expected.py from the same model"
        );
    }

    public bool Has(string name) => _file.Entries.ContainsKey(name);

    /// <summary>A tensor as fp32; the caller's scope disposes of it.</summary>
    /// <exception cref="HarnessException">It is absent, or not of the shape that is asked for (−1: any size).</exception>
    public Tensor Floats(string name, params long[] shape)
    {
        var entry = Entry(name, shape);
        var values = empty(entry.Shape, dtype: ScalarType.Float32, device: CPU);
        WeightReader.Into(_file, entry, values);
        return values;
    }

    /// <summary>Whole numbers, row after row.</summary>
    /// <exception cref="HarnessException">The tensor is absent, of another shape, or not int64.</exception>
    public long[] Longs(string name, params long[] shape)
    {
        var entry = Entry(name, shape);
        if (entry.Type != WeightType.I64)
            throw HarnessException.BadFile(Path, $"{name} is not of the type that it should be", entry.Type.ToString(), "I64");
        return MemoryMarshal.Cast<byte, long>(_file.Bytes(entry)).ToArray();
    }

    /// <summary>The shape of a tensor that is there.</summary>
    public IReadOnlyList<long> Shape(string name) => Entry(name, []).Shape;

    /// <summary>Token ids [B, T] without their padding: those whose mask is 1.</summary>
    /// <exception cref="HarnessException">Ids or mask are absent or do not fit one another, or a row is empty.</exception>
    public int[][] Rows(string prefix)
    {
        var ids = Longs(prefix + "input_ids", -1, -1);
        var width = (int)Shape(prefix + "input_ids")[1];
        var mask = Longs(prefix + "attention_mask", ids.Length / width, width);
        var rows = ids.Chunk(width).Zip(mask.Chunk(width), (row, keep) => row.Where((_, t) => keep[t] == 1).Select(id => (int)id).ToArray()).ToArray();
        return rows.All(row => row.Length > 0)
            ? rows
            : throw HarnessException.BadFile(Path, $"{prefix}attention_mask leaves a row without tokens", "a row of zeros", "at least one 1 in each row");
    }

    public void Dispose() => _file.Dispose();

    private WeightEntry Entry(string name, long[] shape)
    {
        if (!_file.Entries.TryGetValue(name, out var entry))
            throw HarnessException.BadFile(
                Path,
                $"{name} is missing",
                "absent",
                $"{name}, which belongs to the tensors that are there",
                "write the file again with scripts/write-expected.py"
            );
        if (shape.Length == 0 || (shape.Length == entry.Shape.Length && shape.Zip(entry.Shape).All(pair => pair.First < 0 || pair.First == pair.Second)))
            return entry;
        throw HarnessException.BadFile(
            Path,
            $"{name} has a shape that does not fit",
            $"[{string.Join(", ", entry.Shape)}]",
            $"[{string.Join(", ", shape.Select(size => size < 0 ? "any" : $"{size}"))}]",
            "was the file written from this model?"
        );
    }

    private static IReadOnlyList<int>? Suppressed(SafetensorsFile file)
    {
        if (!file.Metadata.TryGetValue("suppressed_ids", out var text))
            return null;
        var ids = new List<int>();
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            ids.Add(
                int.TryParse(part, out var id)
                    ? id
                    : throw HarnessException.BadFile(file.Path, "metadata suppressed_ids is not a list of ids", text, "ids, separated by commas")
            );
        return ids;
    }
}

/// <summary>From a reference file's padded batches to this program's packed ones.</summary>
internal static class PaddedRows
{
    /// <summary>A padded tensor [B, T, W] at the places of its tokens, [N, W]; without a mask all places are.</summary>
    internal static Tensor Packed(ReferenceFile reference, string prefix, string name, long width)
    {
        using var scope = NewDisposeScope();
        var shape = reference.Shape(prefix + "input_ids");
        var padded = reference.Floats(name, shape[0], shape[1], width).view(-1, width); // [B·T, W]
        if (!reference.Has(prefix + "attention_mask"))
            return padded.MoveToOuterDisposeScope();
        var mask = reference.Longs(prefix + "attention_mask", shape[0], shape[1]);
        var places = mask.Select((m, i) => (m, i)).Where(pair => pair.m == 1).Select(pair => (long)pair.i).ToArray();
        return padded.index_select(0, tensor(places, device: CPU)).MoveToOuterDisposeScope();
    }
}
