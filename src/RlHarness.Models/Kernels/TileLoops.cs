using System.Runtime.Intrinsics;
using static TorchSharp.torch;

// Symbols: R rows, K inner dimension, O outputs, I inputs. A unit is 32 bits: one number, or two.
namespace RlHarness.Models.Kernels;

/// <summary>
/// Products of one number type, tile by tile with <see cref="Brgemm"/>. A matrix is cut into panels of 48 columns; the thread that comes to a panel brings it
/// into the tiles' layout, where it stays in its cache. Results do not depend on how the work is shared out.
/// </summary>
internal static unsafe class TileLoops<T>
    where T : ITileElement
{
    /// <summary>Columns of a panel: three vectors, which leave the processor registers for eight rows.</summary>
    private const int Width = 48;

    /// <summary>Rows whose sums are in the cache while they are made and rounded.</summary>
    private const int RowsAtOnce = 64;

    /// <summary>Rows of units of a panel that a core's cache holds beside the rest.</summary>
    private const long UnitsAtOnce = 1024;

    /// <summary>Rows that gradients of weights are summed over at once.</summary>
    private const int OuterRows = 1024;

    /// <summary>Rows are padded to a multiple of this, to limit the number of kernel shapes.</summary>
    private const int OuterStep = 32;

    /// <summary>Tasks per thread, for load balancing.</summary>
    private const int TasksPerThread = 4;

    /// <summary>Numbers of a unit.</summary>
    private static long PerUnit => T.Pairs ? 2 : 1;

    /// <summary>x [R, K] times weight [O, K] transposed, or times weight [K, O]. A target of fp32 takes sums as they are.</summary>
    internal static Tensor Multiply(Tensor x, Tensor weight, bool transposed, Tensor? target = null)
    {
        var product = new Product(x, transposed ? weight.shape[0] : weight.shape[1], target);
        var from = FusedKernels.Address(weight);
        var stride = weight.shape[1];
        var groups = Groups(product.Panels, product.Blocks);
        var piece = Math.Max(1, UnitsAtOnce * PerUnit / product.Summed) * product.Summed;
        CpuThreads.For(product.Panels * groups, 1, (first, last) =>
        {
            var right = (uint*)ThreadMemory.Get(ThreadMemory.Place.Right, Math.Min(piece, product.Inner) / PerUnit * Width * sizeof(uint));
            for (var task = first; task < last; task++)
            {
                var panel = task / groups;
                var columns = product.Columns(panel);
                for (var k = 0L; k < product.Inner; k += piece)
                {
                    var count = (int)Math.Min(piece, product.Inner - k);
                    if (transposed)
                        TileLayout.PackRows(
                            (uint*)(from + (panel * Width * stride + k) * T.Size),
                            stride / PerUnit,
                            columns,
                            count / (int)PerUnit,
                            right,
                            Width,
                            Rounded(columns)
                        );
                    else
                        T.PackColumns(from + (k * stride + panel * Width) * T.Size, stride, count, count, columns, right, Width, Rounded(columns));
                    product.Tiles(panel, right, k, count, product.Blocks * (task % groups) / groups, product.Blocks * (task % groups + 1) / groups);
                }
            }

            Brgemm.Release<T>();
        });
        return product.Result;
    }

    /// <summary>x [R, K] times a packed matrix [O, K] transposed.</summary>
    internal static Tensor Multiply(Tensor x, PackedMatrix weight, Tensor? target = null)
    {
        var product = new Product(x, weight.Outputs, target);
        var panels = (uint*)FusedKernels.Address(weight.Panels);
        var groups = Groups(product.Panels, product.Blocks);
        CpuThreads.For(product.Panels * groups, Math.Max(1, product.Panels * groups / (TasksPerThread * get_num_threads())), (first, last) =>
        {
            for (var task = first; task < last; task++)
                product.Tiles(
                    task / groups,
                    panels + task / groups * product.Inner / PerUnit * Width,
                    0,
                    product.Inner,
                    product.Blocks * (task % groups) / groups,
                    product.Blocks * (task % groups + 1) / groups
                );
            Brgemm.Release<T>();
        });
        return product.Result;
    }

    /// <summary>Weight [O, K] to panels [O / 48, K] of 48 columns each.</summary>
    internal static PackedMatrix Pack(Tensor weight)
    {
        long outputs = weight.shape[0],
            inner = weight.shape[1],
            count = PanelsOf(outputs);
        var panels = empty(count, inner * Width, dtype: T.Type);
        uint* from = (uint*)FusedKernels.Address(weight),
            to = (uint*)FusedKernels.Address(panels);
        CpuThreads.For(count, 1, (first, last) =>
        {
            for (var panel = first; panel < last; panel++)
                TileLayout.PackRows(
                    from + panel * Width * inner / PerUnit,
                    inner / PerUnit,
                    (int)Math.Min(Width, outputs - panel * Width),
                    (int)(inner / PerUnit),
                    to + panel * inner / PerUnit * Width,
                    Width,
                    Width
                );
        });
        return new PackedMatrix(panels, outputs, inner);
    }

    /// <summary>total fp32 [O, I] += gradientᵀ input, for gradient [R, O] and input [R, I].</summary>
    internal static void AddOuter(Tensor total, Tensor gradient, Tensor input)
    {
        long rows = input.shape[0],
            outputs = gradient.shape[1],
            inputs = input.shape[1],
            panels = PanelsOf(inputs),
            blocks = PanelsOf(outputs),
            groups = Groups(blocks, panels);
        byte* pg = FusedKernels.Address(gradient),
            px = FusedKernels.Address(input);
        var pt = (float*)FusedKernels.Address(total);
        for (var from = 0L; from < rows; from += OuterRows)
        {
            var start = from;
            int count = (int)Math.Min(OuterRows, rows - from),
                padded = (count + OuterStep - 1) / OuterStep * OuterStep;
            var panelSize = padded / PerUnit * Width;
            var packed = (uint*)ThreadMemory.Get(ThreadMemory.Place.Shared, panels * panelSize * sizeof(uint));
            CpuThreads.For(panels, 1, (first, last) =>
            {
                for (var p = first; p < last; p++)
                    T.PackColumns(
                        px + (start * inputs + p * Width) * T.Size,
                        inputs,
                        count,
                        padded,
                        (int)Math.Min(Width, inputs - p * Width),
                        packed + p * panelSize,
                        Width,
                        Width
                    );
            });
            CpuThreads.For(blocks * groups, 1, (first, last) =>
            {
                const int Stride = OuterRows + OuterStep;
                var left = ThreadMemory.Get(ThreadMemory.Place.Left, Width * Stride * T.Size);
                for (var task = first; task < last; task++)
                {
                    long block = task / groups,
                        group = task % groups;
                    var some = (int)Math.Min(Width, outputs - block * Width);
                    T.Transpose(pg + (start * outputs + block * Width) * T.Size, outputs, count, padded, some, left, Stride);
                    for (var p = panels * group / groups; p < panels * (group + 1) / groups; p++)
                        Brgemm.Multiply<T>(
                            some,
                            Math.Min(Width, inputs - p * Width),
                            padded,
                            left,
                            Stride,
                            packed + p * panelSize,
                            Width,
                            pt + block * Width * inputs + p * Width,
                            inputs,
                            add: true
                        );
                }

                Brgemm.Release<T>();
            });
        }
    }

    private static long PanelsOf(long columns) => (columns + Width - 1) / Width;

    private static int Rounded(int columns) => (columns + TileLayout.Lanes - 1) / TileLayout.Lanes * TileLayout.Lanes;

    /// <summary>Into how many groups the second of two loops is cut, so that there is enough to share out.</summary>
    private static long Groups(long first, long second) => Math.Clamp((TasksPerThread * get_num_threads() + first - 1) / first, 1, Math.Max(1, second / 2));

    /// <summary>A result [R, O] of x [R, K] that comes panel by panel.</summary>
    private sealed class Product
    {
        private readonly byte* _x;
        private readonly byte* _result;
        private readonly long _rows;
        private readonly long _outputs;
        private readonly bool _wide;

        internal Product(Tensor x, long outputs, Tensor? target)
        {
            Result = target ?? empty(x.shape[0], outputs, dtype: T.Type);
            (_rows, Inner, _outputs) = (x.shape[0], x.shape[1], outputs);
            _x = FusedKernels.Address(x);
            _result = FusedKernels.Address(Result);
            _wide = Result.dtype == ScalarType.Float32;
            var pieces = (Inner + T.LargestSum - 1) / T.LargestSum;
            Summed = ((Inner + pieces - 1) / pieces + T.SumStep - 1) / T.SumStep * T.SumStep;
        }

        internal Tensor Result { get; }

        internal long Inner { get; }

        /// <summary>Inner indices of one series of products.</summary>
        internal long Summed { get; }

        internal long Panels => PanelsOf(_outputs);

        internal long Blocks => (_rows + RowsAtOnce - 1) / RowsAtOnce;

        internal int Columns(long panel) => (int)Math.Min(Width, _outputs - panel * Width);

        /// <summary>Inner indices [k, k + count) of one panel, for blocks of rows [from, to); results are complete with the last of them.</summary>
        internal void Tiles(long panel, uint* right, long k, long count, long from, long to)
        {
            var columns = Columns(panel);
            // Sums that are to be rounded wait for their last piece; others are made where they belong.
            var waits = !_wide && count < Inner;
            var sums = _wide
                ? null
                : (float*)ThreadMemory.Get(ThreadMemory.Place.Sums, (waits ? (to - from) * RowsAtOnce : RowsAtOnce) * Width * sizeof(float));
            for (var block = from; block < to; block++)
            {
                var row = block * RowsAtOnce;
                var some = Math.Min(RowsAtOnce, _rows - row);
                var at = row * _outputs + panel * Width;
                var sum =
                    _wide ? (float*)_result + at
                    : waits ? sums + (block - from) * RowsAtOnce * Width
                    : sums;
                for (var i = 0L; i < count; i += Summed)
                    Brgemm.MultiplyRows<T>(
                        some,
                        _wide ? columns : Rounded(columns),
                        Math.Min(Summed, count - i),
                        _x + (row * Inner + k + i) * T.Size,
                        Inner,
                        right + i / PerUnit * Width,
                        Width,
                        sum,
                        _wide ? _outputs : Width,
                        add: k + i > 0
                    );
                if (!_wide && k + count == Inner)
                    Round(sum, some, columns, _result + at * T.Size);
            }
        }

        private void Round(float* sums, long rows, int columns, byte* target)
        {
            for (var row = 0L; row < rows; row++, sums += Width, target += _outputs * T.Size)
            {
                var j = 0;
                for (; j + TileLayout.Lanes <= columns; j += TileLayout.Lanes)
                    T.Store(target + j * T.Size, Vector512.Load(sums + j));
                for (; j < columns; j++)
                    T.Set(target + j * T.Size, sums[j]);
            }
        }
    }
}
