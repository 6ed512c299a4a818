#if TORCH
using System.Runtime.InteropServices;
using RlHarness.Models.Native;

namespace RlHarness.Tests;

/// <summary>
/// libtorch's own account of what this thread starts, until it is disposed of: its profiler's hook (<c>at::addThreadLocalCallback</c>), which sees every
/// operation that goes through the dispatcher. What an operation is made of on a CPU does not count beside it (a mean is a sum and a quotient there, and one
/// kernel on a device); views and empty memory, which start nothing, don't count either.
/// </summary>
internal sealed class OperationCount : IDisposable
{
    /// <summary>They are what they are made of: a view, a copy or nothing; a product with or without a sum; one kind of attention or another.</summary>
    private static readonly string[] MadeOfOthers =
    [
        "clone",
        "contiguous",
        "einsum",
        "full_like",
        "linear",
        "matmul",
        "ones_like",
        "reshape",
        "scaled_dot_product_attention",
        "to",
        "zeros",
        "zeros_like",
        "_to_copy",
    ];

    private static readonly string[] StartsNothing =
    [
        "alias",
        "as_strided",
        "chunk",
        "detach",
        "detach_",
        "empty",
        "empty_like",
        "empty_strided",
        "expand",
        "expand_as",
        "lift_fresh",
        "narrow",
        "permute",
        "requires_grad_",
        "resize_",
        "resolve_conj",
        "resolve_neg",
        "result_type",
        "select",
        "set_",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "t",
        "transpose",
        "unsqueeze",
        "view",
        "view_as",
        "_reshape_alias",
        "_unsafe_view",
    ];

    private readonly Dictionary<string, int> _names = new(StringComparer.Ordinal);
    private readonly StartCallback _start;
    private readonly EndCallback _end;
    private readonly ulong _handle;
    private int _depth;
    private int? _counted;

    // By the C++ ABI a unique_ptr that is returned is written where the first argument points.
    private delegate nint StartCallback(nint result, nint function);

    private delegate void EndCallback(nint function, nint context);

    private delegate ulong AddCallback(Callback callback);

    private delegate void RemoveCallback(ulong handle);

    private delegate nint NameOf(nint function);

    /// <summary>at::RecordFunctionCallback: two functions, how often, which scopes (the first is functions) and three more switches.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Callback
    {
        internal nint Start;
        internal nint End;
        internal double Probability;
        internal ulong Scopes;
        internal ulong Rest;
    }

    internal OperationCount()
    {
        var nameOf = Find<NameOf>("_ZNK2at14RecordFunction4nameEv");
        _start = (result, function) =>
        {
            Marshal.WriteIntPtr(result, 0);
            _depth++;
            if (_counted is not null || Counted(Marshal.PtrToStringUTF8(nameOf(function))!) is not { } name)
                return result;
            _counted = _depth;
            _names[name] = _names.GetValueOrDefault(name) + 1;
            return result;
        };
        _end = (_, _) =>
        {
            if (_counted == _depth--)
                _counted = null;
        };
        _handle = Find<AddCallback>("_ZN2at22addThreadLocalCallbackENS_22RecordFunctionCallbackE")(
            new Callback
            {
                Start = Marshal.GetFunctionPointerForDelegate(_start),
                End = Marshal.GetFunctionPointerForDelegate(_end),
                Probability = 1,
                Scopes = 1,
            }
        );
    }

    /// <summary>Operations so far.</summary>
    internal int Total => _names.Values.Sum();

    internal int Of(string name) => _names.GetValueOrDefault(name);

    /// <summary>Names with their numbers, the most frequent first.</summary>
    internal string Words => string.Join(", ", _names.OrderByDescending(n => n.Value).Select(n => $"{n.Key} {n.Value}"));

    public void Dispose()
    {
        Find<RemoveCallback>("_ZN2at14removeCallbackEm")(_handle);
        GC.KeepAlive(_start);
        GC.KeepAlive(_end);
    }

    /// <summary>An operation's name where it counts; steps of libtorch's differentiation have names of another kind, and are what they are made of.</summary>
    private static string? Counted(string name)
    {
        if (!name.StartsWith("aten::", StringComparison.Ordinal))
            return null;
        name = name["aten::".Length..];
        return Array.IndexOf(MadeOfOthers, name) < 0 && Array.IndexOf(StartsNothing, name) < 0 ? name : null;
    }

    private static T Find<T>(string symbol)
        where T : Delegate
    {
        var library = NativeLibrary.Load(Path.Combine(NativeRuntime.LibtorchFolder!, "libtorch_cpu.so"));
        return Marshal.GetDelegateForFunctionPointer<T>(NativeLibrary.GetExport(library, symbol));
    }
}
#endif
