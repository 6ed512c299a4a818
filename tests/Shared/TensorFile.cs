#if TORCH
using System.Runtime.InteropServices;
using RlHarness.Formats.Files;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Tests;

/// <summary>Tensors of a golden safetensors file.</summary>
internal sealed class TensorFile(string path) : IDisposable
{
    private readonly SafetensorsFile _file = SafetensorsFile.Open(path);

    public IEnumerable<string> Names => _file.Entries.Keys;

    public bool Has(string name) => _file.Entries.ContainsKey(name);

    public Tensor this[string name]
    {
        get
        {
            var entry = _file.Entries[name];
            var bytes = _file.Bytes(entry);
            var shape = entry.Shape;
            return entry.Type switch
            {
                WeightType.F64 => tensor(MemoryMarshal.Cast<byte, double>(bytes).ToArray(), shape),
                WeightType.F32 => tensor(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), shape),
                WeightType.I64 => tensor(MemoryMarshal.Cast<byte, long>(bytes).ToArray(), shape),
                WeightType.Bool => tensor(bytes.ToArray(), shape).to(ScalarType.Bool),
                _ => throw new NotSupportedException(entry.Type.ToString()),
            };
        }
    }

    public float[] Floats(string name) => this[name].to(ScalarType.Float32).data<float>().ToArray();

    public double[] Doubles(string name) => this[name].to(ScalarType.Float64).data<double>().ToArray();

    public long[] Longs(string name) => this[name].to(ScalarType.Int64).data<long>().ToArray();

    public int[][] Rows(string ids, string mask)
    {
        var shape = _file.Entries[ids].Shape;
        var (id, m) = (Longs(ids), Longs(mask));
        return
        [
            .. Enumerable
                .Range(0, (int)shape[0])
                .Select(b => Enumerable.Range(0, (int)shape[1]).Where(t => m[b * shape[1] + t] == 1).Select(t => (int)id[b * shape[1] + t]).ToArray()),
        ];
    }

    public void Dispose() => _file.Dispose();
}
#endif
