// SPDX-License-Identifier: Apache-2.0
// Lists of addresses and services in, sets out: names resolved, "any of" united, "!" taken out.
import Diagnostics
import NetworkTypes

/// Definitions nested deeper than this are an error, which also bounds the stack.
private let deepestNesting = 64

extension PolicyChecker {
    /// What the items come to. Negated ones are taken out of the others, whatever their order; a list of
    /// only negated ones starts from everything. What could not be read or resolved counts as everything,
    /// so that no error follows from an error.
    mutating func addresses(_ list: ItemList<AddressTerm>) -> AddressSet {
        if list.items.count == 1, !list.items[0].negated, !list.isPartial { return addresses(list.items[0]) }
        var (v4, v6): ([ClosedRange<UInt32>], [ClosedRange<UInt128>]) = ([], [])
        var excluded = AddressSet()
        var included = list.items.isEmpty
        for item in list.items {
            let addresses = addresses(item)
            if item.negated {
                excluded = excluded.union(addresses)
            } else {
                included = true
                v4 += addresses.v4.ranges
                v6 += addresses.v6.ranges
            }
        }
        if list.isPartial { return .all }
        let all = included ? AddressSet(v4: IntervalSet(v4), v6: IntervalSet(v6)) : .all
        return excluded.isEmpty ? all : all.subtracting(excluded)
    }

    private mutating func addresses(_ item: ListItem<AddressTerm>) -> AddressSet {
        switch item.value {
        case .literal(let addresses): return addresses
        case .named(Bogons.name): return Bogons.addresses
        case .named(let name):
            let reference = Positioned(name, item.range)
            guard let index = sets.index(of: name) else {
                let isService = services.index(of: name) != nil
                undefined(
                    "set", reference, among: sets.names, elsewhere: isService ? "$\(name) is a service" : nil)
                return .all
            }
            sets.isUsed[index] = true
            return resolveSet(index, from: reference)
        }
    }

    /// - Parameter reference: where another set names this one.
    mutating func resolveSet(_ index: Int, from reference: Positioned<String>? = nil) -> AddressSet {
        switch resolvedSets[index] {
        case .done(let addresses): return addresses
        case .underWay: refuseCycle("set", index, sets.names, reference)
        case .awaited:
            guard mayNest(sets.names[index]) else { break }
            resolvedSets[index] = .underWay
            chain.append(index)
            let addresses = read(sets.definitions[index].source)
            chain.removeLast()
            resolvedSets[index] = .done(addresses)
            if addresses.isEmpty {
                let name = sets.names[index]
                warnUnlessWrong("empty-set", "set '\(name.value)' is empty", name.range)
            }
            return addresses
        }
        return .all
    }

    private mutating func read(_ source: SetAST.Source) -> AddressSet {
        switch source {
        case .items(let items): return addresses(items)
        case .file(let file, _):
            let path = resolvePath(file.value, in: file.range.source.path)
            do throws(FileReadError) {
                let list = parseSetFile(SourceText(path: path, bytes: try reader.read(path)))
                for diagnostic in list.diagnostics { note(diagnostic) }
                return list.addresses
            } catch {
                note(cannotRead(error, namedAt: file.range))
                return .all
            }
        }
    }

    mutating func service(_ list: ItemList<ServiceTerm>) -> ServiceSet {
        if list.items.count == 1, !list.items[0].negated, !list.isPartial { return service(list.items[0]) }
        var included: ServiceSet? = list.items.isEmpty ? .nothing : nil
        var excluded = ServiceSet.nothing
        for item in list.items {
            let service = service(item)
            if item.negated {
                excluded = excluded.union(service)
            } else {
                included = included?.union(service) ?? service
            }
        }
        if list.isPartial { return .everything }
        let all = included ?? .everything
        return excluded.isEmpty ? all : all.subtracting(excluded)
    }

    private mutating func service(_ item: ListItem<ServiceTerm>) -> ServiceSet {
        switch item.value {
        case .literal(let service): return service
        case .named(let name):
            let reference = Positioned(name, item.range)
            guard let index = services.index(of: name) else {
                let isSet = name == Bogons.name || sets.index(of: name) != nil
                undefined(
                    "service", reference, among: services.names,
                    elsewhere: isSet ? "$\(name) is a set of addresses" : nil)
                return .everything
            }
            services.isUsed[index] = true
            return resolveService(index, from: reference)
        }
    }

    mutating func resolveService(_ index: Int, from reference: Positioned<String>? = nil) -> ServiceSet {
        switch resolvedServices[index] {
        case .done(let service): return service
        case .underWay: refuseCycle("service", index, services.names, reference)
        case .awaited:
            guard mayNest(services.names[index]) else { break }
            resolvedServices[index] = .underWay
            chain.append(index)
            let service = service(services.definitions[index].items)
            chain.removeLast()
            resolvedServices[index] = .done(service)
            if service.isEmpty {
                let name = services.names[index]
                warnUnlessWrong("empty-service", "service '\(name.value)' is empty", name.range)
            }
            return service
        }
        return .everything
    }

    private mutating func refuseCycle(
        _ kind: String, _ index: Int, _ names: [Positioned<String>], _ reference: Positioned<String>?
    ) {
        let start = chain.firstIndex(of: index) ?? 0
        let cycle = (chain[start...] + [index]).map { "$" + names[$0].value }.joined(separator: " -> ")
        let name = names[index]
        error(
            "\(kind)-cycle", "\(kind) '\(name.value)' contains itself: \(cycle)",
            reference?.range ?? name.range,
            help: "remove one of these references")
    }

    private mutating func mayNest(_ name: Positioned<String>) -> Bool {
        if chain.count < deepestNesting { return true }
        error(
            "too-deep", "'\(name.value)' is nested more than \(deepestNesting) deep", name.range,
            help: "nest less")
        return false
    }
}

extension AddressSet {
    /// The families that it holds addresses of.
    var families: Set<AddressFamily> {
        Set((v4.isEmpty ? [] : [.ipv4]) + (v6.isEmpty ? [] : [AddressFamily.ipv6]))
    }
}
