using System.Security.Cryptography;
using System.Text;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Models.Native;
using TorchSharp;

namespace RlHarness.Models.Loading;

/// <summary>Named fp32 tensors in a safetensors file: optimizer states, heads.</summary>
public static class NamedTensors
{
    public static void Save(string path, IEnumerable<(string Name, torch.Tensor Tensor)> tensors) =>
        SafetensorsWriter.Write(
            path,
            tensors.Select(t => new WeightSource(t.Name, WeightType.F32, t.Tensor.shape, stream =>
                ModelSaver.Write(stream, t.Tensor, 0, t.Tensor.shape[0], t.Name)
            ))
        );

    /// <summary>Saves tensors that are there in blocks alone, one after another: each is asked for when the one before it is on its way to the disk.</summary>
    /// <param name="tensors">Name, numbers in all, and the blocks, each [n].</param>
    public static void Save(string path, IEnumerable<(string Name, long Count, Func<IEnumerable<torch.Tensor>> Blocks)> tensors) =>
        SafetensorsWriter.Write(path, tensors.Select(t => new WeightSource(t.Name, WeightType.F32, [t.Count], stream =>
            {
                var from = 0L;
                foreach (var block in t.Blocks())
                {
                    ModelSaver.Write(stream, block, 0, block.shape[0], from == 0 ? t.Name : $"{t.Name}, from its number {from} on,");
                    from += block.shape[0];
                }
            })));

    /// <summary>Fills tensors from a file.</summary>
    /// <exception cref="HarnessException">Names or shapes differ; nothing is changed then.</exception>
    public static void Load(string path, IReadOnlyCollection<(string Name, torch.Tensor Tensor)> tensors)
    {
        using var file = SafetensorsFile.Open(path);
        var problems = tensors
            .Where(t => !file.Entries.TryGetValue(t.Name, out var e) || !e.Shape.SequenceEqual(t.Tensor.shape))
            .Select(t => t.Name)
            .Concat(file.Entries.Keys.Except(tensors.Select(t => t.Name)))
            .ToArray();
        if (problems.Length > 0)
            throw HarnessException.BadFile(
                path,
                "tensors do not fit",
                string.Join(", ", problems.Take(6)),
                "the names and shapes that this run has",
                "were the settings changed since this was written?"
            );
        foreach (var (name, tensor) in tensors)
            WeightReader.Into(file, file.Entries[name], tensor);
    }

    /// <summary>SHA-256 of names, shapes and values, hexadecimal.</summary>
    public static string Hash(IEnumerable<(string Name, torch.Tensor Tensor)> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        const long Piece = 1 << 24;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, tensor) in tensors)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name} [{string.Join(',', tensor.shape)}] {tensor.dtype}\n"));
            using var scope = torch.NewDisposeScope();
            var flat = tensor.detach().contiguous().view(-1); // [N]
            for (long at = 0; at < flat.shape[0]; at += Piece)
                hash.AppendData(HostReads.Memory(HostReads.Copy(flat.narrow(0, at, Math.Min(Piece, flat.shape[0] - at)))));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Parameters of a store by name.</summary>
    public static IReadOnlyCollection<(string Name, torch.Tensor Tensor)> Of(Decoders.ParameterStore store, string prefix = "") =>
        [.. store.Specs.Select(s => (prefix + s.Name, store[s.Name]))];
}
